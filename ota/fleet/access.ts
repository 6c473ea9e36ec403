// Who may do what at the broker. Pure: the decision of each packet and the limits; broker.ts asks.
import { z } from "zod";
import { isOwnTopic, maxPayloadBytes, parseTopic, topicRoot, topics } from "./topics.ts";

export type Refusal =
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
  /** A neighborhood has 100 members at most, with a reader each. */
  connections: 256,
  connectionsPerDevice: 8,
  packetBytes: maxPayloadBytes + 1024,
  /** A reader that takes nothing for this long is dropped, with what waits for it. */
  drainTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  queuedPackets: 42,
  inflight: 32,
  keepaliveSeconds: 300,
  messagesPerSecond: 20,
  burst: 200,
  /** Retained topics of a device: they stay in memory for good. */
  retained: 64,
  subscriptions: 32,
};

/** A device may hold several connections: its own is `<id>.agent`, others may use its id alone or with any such ending. */
export function mayConnect(device: string | undefined, clientId: string): Refusal | undefined {
  if (device === undefined) return "source.unknown";
  if (clientId === device) return undefined;
  const ending = clientId.startsWith(`${device}.`) ? clientId.slice(device.length + 1) : "";
  return /^[a-z0-9-]{1,32}$/.test(ending) ? undefined : "client.notYourId";
}

export type Publication = {
  neighborhood: string;
  device: string;
  packet: { topic: string; payload: string | Buffer; retain: boolean };
  /** The payload as JSON, parsed when asked for. */
  json(): unknown;
  /** Retained topics that this device has already. */
  kept: ReadonlySet<string>;
  limits: BrokerLimits;
};

export function mayPublish({ neighborhood, device, packet, json, kept, limits }: Publication): Refusal | undefined {
  const { topic, payload, retain } = packet;
  if (!isOwnTopic(neighborhood, device, topic)) return "topic.notYours";
  if (Buffer.byteLength(payload) > maxPayloadBytes || topic.length > 256) return "payload.tooLarge";
  if (retain && !kept.has(topic) && kept.size >= limits.retained) return "retained.tooMany";
  // An empty payload removes what is retained; all else fits the table's schema.
  if (payload.length === 0) return undefined;
  const named = parseTopic(neighborhood, topic);
  if (named) return topics[named.name].payload.safeParse(json()).success ? undefined : "payload.invalid";
  if (topic.startsWith(`${topicRoot}/`)) return undefined;
  return announcesOnly(neighborhood, device, json()) ? undefined : "payload.invalid";
}

/**
 * An announcement to Home Assistant that speaks of its own device only: else one device could pose as another there.
 * Whose an entity is, Home Assistant tells by `identifiers`, and which one by `unique_id`.
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
  return (identifiers ?? ids) !== undefined && speaksOnly(payload, own);
}

/** Home Assistant takes each key in its short form too. */
const Device = z.object({ identifiers: z.unknown(), ids: z.unknown() }).partial();
const Announcement = z
  .object({ unique_id: z.string(), uniq_id: z.string(), device: Device, dev: Device })
  .partial()
  .refine(({ device, dev }) => device ?? dev);

/** Ours nest two levels, a generous one four; deeper than this is nobody's announcement. */
const maxDepth = 8;

type Own = { name(value: unknown): boolean; topic(value: unknown): boolean };
function speaksOnly(value: unknown, own: Own, depth = 0): boolean {
  // Whatever looks like a topic of Hamlet's is one, under any key.
  if (typeof value === "string") return !/^(hamlet|homeassistant)\//.test(value) || own.topic(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth >= maxDepth) return false;
  return Object.entries(value).every(([key, inner]) => {
    if (/^(identifiers|ids)$/.test(key)) return [inner].flat().length > 0 && [inner].flat().every(own.name);
    if (/^(unique_id|uniq_id|via_device)$/.test(key)) return own.name(inner);
    // By a hardware address, too, Home Assistant takes two devices for one.
    if (/^(connections|cns)$/.test(key)) return false;
    if (/^(~|t|.*topic|.*_t)$/.test(key)) return own.topic(inner);
    return speaksOnly(inner, own, depth + 1);
  });
}

export function maySubscribe(
  neighborhood: string,
  filter: string,
  held: ReadonlySet<string>,
  limits: BrokerLimits,
): Refusal | undefined {
  if (filter.length > 256) return "payload.tooLarge";
  if (!held.has(filter) && held.size >= limits.subscriptions) return "subscriptions.tooMany";
  // The broker's own $SYS, and whatever is not the neighborhood's, is nobody's business.
  const [root, owner] = filter.split("/");
  const isOurs = root === "#" || root === "homeassistant" || (root === topicRoot && matches(owner, neighborhood));
  return isOurs ? undefined : "topic.hidden";
}

const matches = (level: string | undefined, name: string): boolean => level === name || level === "+" || level === "#";
