// Who may do what at the broker: the decision for each packet, and the limits. Pure; broker.ts enforces it.
import { z } from "zod";
import { isOwnTopic, maxPayloadBytes, maxTopicBytes, parseTopic, sessionsTopic, topicRoot, topics } from "./topics.ts";

export type Denial =
  | "source.unknown"
  | "client.notYourId"
  | "connections.tooMany"
  | "packet.tooLarge"
  | "rate.tooHigh"
  | "topic.notYours"
  | "topic.hidden"
  | "payload.tooLarge"
  | "payload.invalid"
  | "retained.tooMany"
  | "subscriptions.tooMany";

export type BrokerLimits = typeof brokerLimits;
export const brokerLimits = {
  /** A neighborhood has at most 100 members, each with a second program that reads. */
  connections: 256,
  connectionsPerDevice: 8,
  packetBytes: maxPayloadBytes + 1024,
  /** A subscriber that reads nothing for this long is dropped, with what is queued for it. */
  drainTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  queuedPackets: 42,
  inflight: 32,
  keepaliveSeconds: 300,
  /** Of a device, whatever the number of its connections. */
  messagesPerSecond: 20,
  burst: 200,
  /** Packets of any kind, acknowledgements of all that is retained included. */
  packetsPerSecond: 500,
  packetBurst: 10_000,
  /** Retained topics of a device, which stay in memory. */
  retained: 64,
  /** Of all devices together, as much as the next in line keep; and what each has of it, whatever others retain: an agent needs 30 KiB. */
  retainedBytes: 8 << 20,
  retainedShareBytes: 64 << 10,
  subscriptions: 32,
  /** Sessions that outlive their connections. */
  sessions: 64,
  sessionsPerDevice: 2,
  /** What waits for one such client, and for all of them. */
  waiting: 1_000,
  waitingBytes: 512 << 10,
  waitingBytesInAll: 4 << 20,
  /** How long a client may be away. */
  awayMs: 7 * 86_400_000,
  /** How long what changes in sessions waits until the next in line hear of it: what is acknowledged until then is not told. */
  newsMs: 1_000,
  /** How long a device whose state was inherited may take to connect; then it is said to be offline. */
  returnMs: 30_000,
};

/** A device may have several connections: the agent's is `<id>.agent`; other programs use the id alone or with another such suffix. */
export function mayConnect(device: string | undefined, clientId: string): Denial | undefined {
  if (device === undefined) return "source.unknown";
  if (clientId === device) return undefined;
  const ending = clientId.startsWith(`${device}.`) ? clientId.slice(device.length + 1) : "";
  return /^[a-z0-9-]{1,32}$/.test(ending) ? undefined : "client.notYourId";
}

/**
 * A packet that tells of sessions (sessions.ts) must not be longer than its readers take. JSON writes a control character with six bytes, and
 * no program needs one in a topic (MQTT 3.1.1, 1.5.3).
 */
const isShort = (topic: string): boolean => Buffer.byteLength(topic) <= maxTopicBytes && !/\p{Cc}/u.test(topic);

export type Publication = {
  neighborhood: string;
  device: string;
  packet: { topic: string; payload: string | Buffer; retain: boolean };
  /** The payload as JSON, parsed when asked for. */
  json(): unknown;
  /** Topics that this device has retained already. */
  kept: { has(topic: string): boolean; readonly size: number };
  limits: BrokerLimits;
};

export function mayPublish({ neighborhood, device, packet, json, kept, limits }: Publication): Denial | undefined {
  const { topic, payload, retain } = packet;
  if (!isOwnTopic(neighborhood, device, topic)) return "topic.notYours";
  if (Buffer.byteLength(payload) > maxPayloadBytes || !isShort(topic)) return "payload.tooLarge";
  if (retain && !kept.has(topic) && kept.size >= limits.retained) return "retained.tooMany";
  // An empty payload removes a retained message; every other payload must fit the table's schema.
  if (payload.length === 0) return undefined;
  const named = parseTopic(neighborhood, topic);
  if (named) return topics[named.name].payload.safeParse(json()).success ? undefined : "payload.invalid";
  if (topic.startsWith(`${topicRoot}/`)) return undefined;
  return announcesOnly(neighborhood, device, json()) ? undefined : "payload.invalid";
}

/**
 * Whether an announcement to Home Assistant is about its own device only: otherwise one device could pose as another there.
 * Home Assistant tells an entity's device by `identifiers`, and the entity by `unique_id`.
 */
function announcesOnly(neighborhood: string, device: string, payload: unknown): boolean {
  const parsed = Announcement.safeParse(payload);
  if (!parsed.success || !(parsed.data.unique_id ?? parsed.data.uniq_id)) return false;
  const { identifiers, ids } = (parsed.data.device ?? parsed.data.dev)!;
  const name = `hamlet-${device}`;
  const own = {
    name: (value: unknown) => typeof value === "string" && (value === name || value.startsWith(`${name}-`)),
    topic: (value: unknown) => typeof value === "string" && isOwnTopic(neighborhood, device, value),
  };
  return (identifiers ?? ids) !== undefined && isOnlyAbout(payload, own);
}

/** Home Assistant accepts each key in a short form too. */
const Device = z.object({ identifiers: z.unknown(), ids: z.unknown() }).partial();
const Announcement = z
  .object({ unique_id: z.string(), uniq_id: z.string(), device: Device, dev: Device })
  .partial()
  .refine(({ device, dev }) => device ?? dev);

/** Our announcements nest two levels and generous ones four; none needs more than this. */
const maxDepth = 8;

type Own = { name(value: unknown): boolean; topic(value: unknown): boolean };
function isOnlyAbout(value: unknown, own: Own, depth = 0): boolean {
  // A string that looks like one of Hamlet's topics counts as one under any key.
  if (typeof value === "string") return !/^(hamlet|homeassistant)\//.test(value) || own.topic(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth >= maxDepth) return false;
  return Object.entries(value).every(([key, inner]) => {
    if (/^(identifiers|ids)$/.test(key)) return [inner].flat().length > 0 && [inner].flat().every(own.name);
    if (/^(unique_id|uniq_id|via_device)$/.test(key)) return own.name(inner);
    // Home Assistant also merges devices that name the same hardware address.
    if (/^(connections|cns)$/.test(key)) return false;
    if (/^(~|t|.*topic|.*_t)$/.test(key)) return own.topic(inner);
    return isOnlyAbout(inner, own, depth + 1);
  });
}

export function maySubscribe(
  neighborhood: string,
  filter: string,
  held: Pick<ReadonlyMap<string, unknown>, "has" | "size">,
  limits: BrokerLimits,
): Denial | undefined {
  if (!isShort(filter)) return "payload.tooLarge";
  if (!held.has(filter) && held.size >= limits.subscriptions) return "subscriptions.tooMany";
  if (filter === sessionsTopic) return undefined;
  // The broker's own $SYS and other neighborhoods' topics are hidden.
  const [root, owner] = filter.split("/");
  const isOurs = root === "#" || root === "homeassistant" || (root === topicRoot && matches(owner, neighborhood));
  return isOurs ? undefined : "topic.hidden";
}

/** The highest QoS with which one of the subscriptions asks for `topic` (MQTT 3.1.1, 3.3.5); 0 if none does. */
export const qosFor = <QoS extends number>(subscriptions: ReadonlyMap<string, QoS>, topic: string): QoS =>
  Math.max(0, ...[...subscriptions].flatMap(([filter, qos]) => (covers(filter, topic) ? [qos] : []))) as QoS;

export function covers(filter: string, topic: string): boolean {
  const [wanted, levels] = [filter.split("/"), topic.split("/")];
  for (const [at, level] of wanted.entries()) {
    if (level === "#") return true;
    if (level !== "+" && level !== levels[at]) return false;
  }
  return wanted.length === levels.length;
}

const matches = (level: string | undefined, name: string): boolean => level === name || level === "+" || level === "#";
