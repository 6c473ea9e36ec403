// What the broker's host retains, kept by the members that are next in line, so that it outlives the host.
// A member that is alive says again what it has said as soon as it meets the next broker: this is for those that are gone.
import { MqttClient } from "mqtt";
import { brokerLimits } from "../../ota/fleet/access.ts";
import type { Kept } from "../../ota/fleet/inherit.ts";
import { isForFollower, limitPackets } from "../../ota/fleet/packets.ts";
import { homeAssistantRoot, sessionsTopic, type TopicName, topicRoot, topics } from "../../ota/fleet/topics.ts";
import { openSocket } from "./transport.ts";

export type StandbyOptions = { self: { id: string; neighborhood: string; address: string }; port: number };
/** Takes in what a broker tells of its sessions. */
type HearSessions = (news: Uint8Array) => void;

const RETRY_MS = 5_000;
const SNAPSHOT_MS = 600_000;
/** Retained messages follow the acknowledgement of a subscription in one burst. */
const BURST_MS = 300;
const COPY_MS = 3_000;
/** As much as a hundred members may retain; a host that sends more is broken or hostile. */
const MOST_BYTES = 8 << 20;

/** What changes seldom is followed; metrics and peers are copied now and then, for they would double the broker's traffic. */
const followed = (neighborhood: string): string[] => [
  ...(Object.keys(topics) as TopicName[])
    .filter((name) => topics[name].qos === 1)
    .map((name) => `${topicRoot}/${neighborhood}/+/${name}`),
  `${homeAssistantRoot}/#`,
];

export class Standby {
  readonly #o: StandbyOptions;
  readonly #kept = new Shelf();
  #address: string | undefined;
  #client: MqttClient | undefined;
  #retryAt = Number.NEGATIVE_INFINITY;
  #snapshotAt = Number.NEGATIVE_INFINITY;
  readonly #hearSessions: HearSessions;

  constructor(o: StandbyOptions, hearSessions: HearSessions) {
    this.#o = o;
    this.#hearSessions = hearSessions;
  }

  /** Called every second. Without an address it follows nobody, and keeps what it has. */
  follow(address: string | undefined): void {
    if (address !== this.#address) this.#leave();
    this.#address = address;
    if (address === undefined) return;
    const now = performance.now();
    if (!this.#client && now >= this.#retryAt) {
      this.#retryAt = now + RETRY_MS;
      this.#client = this.#open(address);
    } else if (this.#client?.connected && now >= this.#snapshotAt) {
      this.#snapshotAt = now + SNAPSHOT_MS;
      void snapshot(this.#client, this.#o.self.neighborhood).catch(() => this.#leave());
    }
  }

  messages(): Kept[] {
    return this.#kept.all();
  }

  stop(): void {
    this.#leave();
  }

  #open(address: string): MqttClient {
    const client = openReader(this.#o, address, "standby");
    client.on("message", (topic, payload, { qos, retain }) => {
      if (topic === sessionsTopic) this.#hearSessions(payload);
      else this.#kept.put({ topic, payload, qos: qos ? 1 : 0 }, retain);
    });
    client.once("connect", () => {
      this.#snapshotAt = Number.NEGATIVE_INFINITY;
      void subscribeToSessions(client);
      client.subscribe(followed(this.#o.self.neighborhood), { qos: 1 });
    });
    client.once("close", () => {
      if (this.#client === client) this.#client = undefined;
      client.end(true);
    });
    return client;
  }

  #leave(): void {
    this.#client?.end(true);
    this.#client = undefined;
    this.#retryAt = Number.NEGATIVE_INFINITY;
  }
}

/** What the broker at `address` retains, and its sessions; nothing if none answers there. */
export async function copyBroker(o: StandbyOptions, address: string, hearSessions: HearSessions): Promise<Kept[]> {
  const shelf = new Shelf();
  const client = openReader(o, address, "copy");
  const allTold = Promise.withResolvers<void>();
  client.on("message", (topic, payload, { qos, retain }) => {
    if (topic === sessionsTopic && payload.length === 0) allTold.resolve();
    else if (topic === sessionsTopic) hearSessions(payload);
    else if (retain) shelf.put({ topic, payload, qos: qos ? 1 : 0 }, true);
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, COPY_MS);
  });
  const gone = new Promise<void>((resolve) => client.once("close", resolve));
  const copied = new Promise<void>((resolve) => {
    client.once("connect", async () => {
      const telling = subscribeToSessions(client).then((isTold) => (isTold ? allTold.promise : undefined));
      await Promise.all([snapshot(client, o.self.neighborhood), telling]).then(
        () => resolve(),
        () => {},
      );
    });
  });
  await Promise.race([late, gone, copied]);
  clearTimeout(timer);
  client.end(true);
  return shelf.all();
}

/** Whether the broker tells of sessions: one of an earlier release refuses. */
const subscribeToSessions = (client: MqttClient): Promise<boolean> =>
  client.subscribeAsync(sessionsTopic, { qos: 0 }).then(
    () => true,
    () => false,
  );

/** A subscription brings what is retained; ended at once, it brings nothing more. */
async function snapshot(client: MqttClient, neighborhood: string): Promise<void> {
  const all = [`${topicRoot}/${neighborhood}/#`];
  await client.subscribeAsync([...all, `${homeAssistantRoot}/#`], { qos: 0 });
  await new Promise((resolve) => setTimeout(resolve, BURST_MS));
  await client.unsubscribeAsync(all);
}

function openReader({ self, port }: StandbyOptions, host: string, ending: string): MqttClient {
  const open = () => {
    const socket = openSocket({ host, port, transport: "mesh" }, { ownAddress: self.address });
    limitPackets(socket, brokerLimits.packetBytes, () => {}, isForFollower);
    return socket;
  };
  const client = new MqttClient(open, {
    clientId: `${self.id}.${ending}`,
    protocolVersion: 4,
    ...{ clean: true, keepalive: 60, connectTimeout: 10_000, reconnectPeriod: 0, resubscribe: false },
  });
  // "close" follows, and is enough.
  client.on("error", () => {});
  return client;
}

/** Retained messages by topic, up to a number of bytes. */
class Shelf {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  /** What a live message brings counts only for topics that are retained: MQTT does not say so of live ones (3.3.1.3). */
  put(kept: Kept, isRetained: boolean): void {
    const before = this.#kept.get(kept.topic);
    if (!isRetained && !before && !isFollowed(kept.topic)) return;
    const bytes = this.#bytes - weightOf(before) + weightOf(kept);
    if (bytes > MOST_BYTES) return;
    this.#bytes = bytes;
    if (kept.payload.length > 0) this.#kept.set(kept.topic, kept);
    else this.#kept.delete(kept.topic);
  }

  all(): Kept[] {
    return [...this.#kept.values()];
  }
}

const isFollowed = (topic: string): boolean => {
  const [root, , , name = ""] = topic.split("/");
  return root === homeAssistantRoot || (Object.hasOwn(topics, name) && topics[name as TopicName].qos === 1);
};
const weightOf = (kept: Kept | undefined): number =>
  kept && kept.payload.length > 0 ? kept.topic.length + kept.payload.length : 0;
