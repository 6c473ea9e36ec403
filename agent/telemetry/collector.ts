// The newest metrics and peers of every device, as the broker passes them on. Subscribes only while a person looks at them:
// if thirty members listened to each other all day, the broker would send each message thirty times.
import type { MqttClient } from "mqtt";
import {
  type MetricsPayload,
  maxPayloadBytes,
  type PeersPayload,
  parseTopic,
  topicRoot,
  topics,
} from "../../ota/fleet/topics.ts";
import type { Clock } from "../../system/clock.ts";
import { parseJson } from "../../system/files.ts";

export type Collector = {
  attach(client: Pick<MqttClient, "subscribe" | "unsubscribe">): void;
  detach(): void;
  receive(topic: string, payload: Buffer): void;
  keep(device: string, metrics: MetricsPayload): void;
  latest(): Map<string, MetricsPayload>;
  /** How each device reaches the others, if it has reported that lately. */
  peers(): Map<string, PeersPayload["peers"]>;
  look(): Promise<void>;
  /** Unsubscribes after a minute in which nobody looked. */
  tick(): void;
};

const interestMs = 60_000;
const retainedMs = 1_000;
const maxDevices = 1_000;
/** A device reports its peers every minute; two reports may be lost. */
const peersMs = 150_000;

export function makeCollector(neighborhood: string, clock: Clock): Collector {
  const filters = (["metrics", "peers"] as const).map((name) => `${topicRoot}/${neighborhood}/+/${name}`);
  const newest = new Map<string, MetricsPayload>();
  const reported = new Map<string, { peers: PeersPayload["peers"]; at: number }>();
  let client: Pick<MqttClient, "subscribe" | "unsubscribe"> | undefined;
  let interestedUntil = Number.NEGATIVE_INFINITY;
  /** While subscribed: resolves when the retained messages have arrived. */
  let retained: Promise<void> | undefined;
  let arrived = () => {};

  const isInterested = () => clock.monotonic() < interestedUntil;
  const subscribe = () => {
    if (!client || retained) return;
    retained = new Promise((resolve) => {
      const timer = setTimeout(resolve, retainedMs);
      arrived = () => {
        clearTimeout(timer);
        // Retained messages follow the acknowledgement in one burst: 100 ms later they have all arrived.
        setTimeout(resolve, 100);
      };
    });
    client.subscribe(filters, { qos: 0 }, () => arrived());
  };
  const forget = () => {
    retained = undefined;
  };

  const collector: Collector = {
    attach(attached) {
      client = attached;
      forget();
      if (isInterested()) subscribe();
    },
    detach() {
      client = undefined;
      forget();
    },
    receive(topic, payload) {
      const named = parseTopic(neighborhood, topic);
      if (named === undefined || payload.length > maxPayloadBytes) return;
      const content = parseJson(payload.toString("utf8"));
      if (named.name === "metrics") {
        const parsed = topics.metrics.payload.safeParse(content);
        if (parsed.success) collector.keep(named.device, parsed.data);
      } else if (named.name === "peers") {
        const parsed = topics.peers.payload.safeParse(content);
        if (parsed.success) put(reported, named.device, { peers: parsed.data.peers, at: clock.monotonic() });
      }
    },
    keep: (device, metrics) => put(newest, device, metrics),
    latest() {
      interestedUntil = clock.monotonic() + interestMs;
      subscribe();
      return new Map(newest);
    },
    peers() {
      const recent = [...reported].filter(([, { at }]) => clock.monotonic() - at < peersMs);
      return new Map(recent.map(([device, { peers }]) => [device, peers]));
    },
    async look() {
      collector.latest();
      await retained;
    },
    tick() {
      if (!retained || isInterested()) return;
      client?.unsubscribe(filters);
      forget();
    },
  };
  return collector;
}

/** A new device takes the place of the one that reported first. */
function put<Value>(map: Map<string, Value>, device: string, value: Value): void {
  if (map.size >= maxDevices && !map.has(device)) map.delete(map.keys().next().value!);
  map.set(device, value);
}
