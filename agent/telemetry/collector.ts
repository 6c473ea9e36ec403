// The newest metrics of every device, as the broker passes them on. Subscribes only while a person looks at them:
// if thirty members listened to each other all day, the broker would send each message thirty times.
import type { MqttClient } from "mqtt";
import { type MetricsPayload, maxPayloadBytes, parseTopic, topicRoot, topics } from "../../ota/fleet/topics.ts";
import type { Clock } from "../../system/clock.ts";
import { parseJson } from "../../system/files.ts";

export type Collector = {
  attach(client: Pick<MqttClient, "subscribe" | "unsubscribe">): void;
  detach(): void;
  receive(topic: string, payload: Buffer): void;
  keep(device: string, metrics: MetricsPayload): void;
  latest(): Map<string, MetricsPayload>;
  look(): Promise<void>;
  /** Unsubscribes after a minute in which nobody looked. */
  tick(): void;
};

const interestMs = 60_000;
const retainedMs = 1_000;
const maxDevices = 1_000;

export function makeCollector(neighborhood: string, clock: Clock): Collector {
  const filter = `${topicRoot}/${neighborhood}/+/metrics`;
  const newest = new Map<string, MetricsPayload>();
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
    client.subscribe(filter, { qos: 0 }, () => arrived());
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
      if (named?.name !== "metrics" || payload.length > maxPayloadBytes) return;
      const parsed = topics.metrics.payload.safeParse(parseJson(payload.toString("utf8")));
      if (parsed.success) collector.keep(named.device, parsed.data);
    },
    keep(device, metrics) {
      if (newest.size >= maxDevices && !newest.has(device)) newest.delete(newest.keys().next().value!);
      newest.set(device, metrics);
    },
    latest() {
      interestedUntil = clock.monotonic() + interestMs;
      subscribe();
      return new Map(newest);
    },
    async look() {
      collector.latest();
      await retained;
    },
    tick() {
      if (!retained || isInterested()) return;
      client?.unsubscribe(filter);
      forget();
    },
  };
  return collector;
}
