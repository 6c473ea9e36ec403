// The newest metrics of every device, as the broker passes them on. Subscribed only while somebody looks:
// thirty members that all listened to each other all day would send each message thirty times.
import type { MqttClient } from "mqtt";
import { type MetricsPayload, maxPayloadBytes, parseTopic, topicRoot, topics } from "../../ota/fleet/topics.ts";
import type { Clock } from "../../system/clock.ts";
import { parseJson } from "../../system/files.ts";

export type Collector = {
  attach(client: Pick<MqttClient, "subscribe" | "unsubscribe">): void;
  detach(): void;
  hear(topic: string, payload: Buffer): void;
  keep(device: string, metrics: MetricsPayload): void;
  latest(): Map<string, MetricsPayload>;
  look(): Promise<void>;
  /** Ends the subscription when nobody has looked for a minute. */
  tick(): void;
};

const interestMs = 60_000;
const settleMs = 1_000;
const maxDevices = 1_000;

export function makeCollector(neighborhood: string, clock: Clock): Collector {
  const filter = `${topicRoot}/${neighborhood}/+/metrics`;
  const heard = new Map<string, MetricsPayload>();
  let client: Pick<MqttClient, "subscribe" | "unsubscribe"> | undefined;
  let interestedUntil = Number.NEGATIVE_INFINITY;
  let settled: Promise<void> | undefined;
  let arrived = () => {};

  const isInterested = () => clock.monotonic() < interestedUntil;
  const subscribe = () => {
    if (!client || settled) return;
    settled = new Promise((resolve) => {
      const timer = setTimeout(resolve, settleMs);
      arrived = () => {
        clearTimeout(timer);
        // Retained messages follow the acknowledgement in one burst: a breath later they are all here.
        setTimeout(resolve, 100);
      };
    });
    client.subscribe(filter, { qos: 0 }, () => arrived());
  };
  const forget = () => {
    settled = undefined;
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
    hear(topic, payload) {
      const named = parseTopic(neighborhood, topic);
      if (named?.name !== "metrics" || payload.length > maxPayloadBytes) return;
      const parsed = topics.metrics.payload.safeParse(parseJson(payload.toString("utf8")));
      if (parsed.success) collector.keep(named.device, parsed.data);
    },
    keep(device, metrics) {
      if (heard.size >= maxDevices && !heard.has(device)) heard.delete(heard.keys().next().value!);
      heard.set(device, metrics);
    },
    latest() {
      interestedUntil = clock.monotonic() + interestMs;
      subscribe();
      return new Map(heard);
    },
    async look() {
      collector.latest();
      await settled;
    },
    tick() {
      if (!settled || isInterested()) return;
      client?.unsubscribe(filter);
      forget();
    },
  };
  return collector;
}
