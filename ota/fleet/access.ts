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

/** An announcement to Home Assistant that speaks of its own device's topics: else one device could pose as another there. */
function announcesOnly(neighborhood: string, device: string, payload: unknown): boolean {
  const parsed = z.record(z.string(), z.unknown()).safeParse(payload);
  if (!parsed.success) return false;
  return Object.entries(parsed.data)
    .filter(([key]) => key === "~" || key.endsWith("topic") || key.endsWith("_t"))
    .every(([, value]) => typeof value === "string" && isOwnTopic(neighborhood, device, value));
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
