// What aedes keeps for its clients: sessions and queues in ours, which are bounded; the rest (retained messages, wills) in its own memory.
// Reviewed with aedes 1.2.0, aedes-persistence 11.0.0.
import { Readable } from "node:stream";
import memory from "aedes-persistence";
import type { Sessions, Waiting } from "./sessions.ts";

// Its types describe a module with a default; what Node imports from it is the function itself.
const makeMemory = memory as unknown as () => object;

type Client = { id: string };
type Packet = {
  cmd?: string;
  brokerId?: string;
  brokerCounter?: number;
  messageId?: number;
  topic: string;
  payload: Buffer;
};
type Subscription = { topic: string; qos: number };

type Rules = {
  /** aedes hands over all filters of a packet, refused ones too. */
  isGranted(client: Client, filter: string): boolean;
  /** Retained by another broker before: it waits already, if it waited there. */
  isOld(payload: Buffer): boolean;
};

export function makePersistence(sessions: Sessions, { isGranted, isOld }: Rules): object {
  const enqueue = (clients: Iterable<string>, packet: Packet) => {
    if (isOld(packet.payload)) return;
    const payload = Buffer.from(packet.payload);
    const message = { key: keyOf(packet), topic: packet.topic, payload, at: performance.now() };
    for (const client of new Set(clients)) sessions.put(client, { ...message });
  };
  return Object.assign(makeMemory(), {
    async addSubscriptions(client: Client, subscriptions: Subscription[]) {
      const granted = subscriptions.filter(({ topic }) => isGranted(client, topic));
      sessions.subscribe(
        client.id,
        granted.map(({ topic, qos }) => [topic, qos > 0 ? 1 : 0] as const),
      );
    },
    removeSubscriptions: async (client: Client, filters: string[]) => sessions.unsubscribe(client.id, filters),
    subscriptionsByClient: async ({ id }: Client) => sessions.filtersOf(id).map(([topic, qos]) => ({ topic, qos })),
    subscriptionsByTopic: async (topic: string) =>
      sessions.readersOf(topic).map((clientId) => ({ clientId, topic, qos: 1 })),
    cleanSubscriptions: async ({ id }: Client) => sessions.end(id),
    outgoingEnqueue: async ({ clientId }: { clientId: string }, packet: Packet) => enqueue([clientId], packet),
    outgoingEnqueueCombi: async (to: { clientId: string }[], packet: Packet) =>
      enqueue(
        to.map(({ clientId }) => clientId),
        packet,
      ),
    async outgoingUpdate({ id }: Client, packet: Packet) {
      if (packet.messageId !== undefined) sessions.sent(id, keyOf(packet), packet.messageId);
    },
    // aedes also calls this without an id, for a message that it sends by another subscription of the same client.
    outgoingClearMessageId: async ({ id }: Client, { messageId }: Packet) =>
      messageId === undefined ? undefined : sessions.acknowledged(id, messageId),
    outgoingStream: ({ id }: Client) => Readable.from(sessions.waiting(id).map(packetOf)),
  });
}

const keyOf = ({ brokerId = "", brokerCounter = 0 }: Packet): string => `${brokerId}:${brokerCounter}`;

/** As it is sent again: with its old identifier, and marked if it may have arrived (MQTT 3.1.1, 4.4 and 3.3.1.1). */
function packetOf({ key, topic, payload, messageId }: Waiting) {
  const [brokerId, counter] = key.split(":");
  const isAgain = messageId !== undefined;
  const how = { qos: 1, retain: false, dup: isAgain, ...(isAgain && { messageId }) };
  return { cmd: "publish", brokerId, brokerCounter: Number(counter), topic, payload, ...how };
}
