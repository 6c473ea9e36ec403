// The agent's MQTT client: says how this device is, and hears of the others while somebody looks.
// It follows the broker from member to member; what could not be said meanwhile waits in a short queue.
import type { ConnectionOptions } from "node:tls";
import { MqttClient } from "mqtt";
import {
  type InventoryPayload,
  type MetricsPayload,
  type StatePayload,
  type TopicName,
  topicOf,
  type WarningsPayload,
} from "../../ota/fleet/topics.ts";
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { type Collector, makeCollector } from "./collector.ts";
import { openSocket, targetOf } from "./connection.ts";
import { announcements } from "./homeassistant.ts";

export type TelemetryOptions = {
  self: { id: string; neighborhood: string; name: string; board: string; release: string; address: string };
  /** Mesh address (or the URL) of the broker in use; undefined while there is none. Asked every second. */
  brokerAddress(): string | undefined;
  port: number;
  sample(): Promise<MetricsPayload>;
  inventory(): Promise<InventoryPayload>;
  warnings(): WarningsPayload["warnings"];
  /** Told when the broker has not answered for a minute, and when it does again. */
  standing?: Pick<Warnings, "raise" | "clear">;
  homeAssistant: boolean;
  log: Log;
  clock: Clock;
  intervalMs?: number;
  /** The first wait before connecting again; it doubles up to 30 s, each with jitter. */
  retryMs?: number;
  /** Whom an mqtts:// broker's certificate must come from; the well-known authorities unless given. */
  tls?: Pick<ConnectionOptions, "ca">;
};
export type Telemetry = {
  isConnected(): boolean;
  /** The newest metrics of this device, whether or not they could be sent. */
  own(): MetricsPayload | undefined;
  /** The newest metrics of every device. Asking means looking: it keeps the subscription for another minute. */
  latest(): Map<string, MetricsPayload>;
  /** Resolves once what the broker holds has arrived, or after a second without. */
  look(): Promise<void>;
  counts(): { sent: number; sentBytes: number; queued: number; dropped: number };
  stop(): Promise<void>;
};

/** An hour of metrics: what a device that lost its broker still tells afterwards. */
const queueLimit = 360;
const maxRetryMs = 30_000;
/** A new broker is found and joined within seconds; a minute without one is worth a word. */
const silentMs = 60_000;
const dayMs = 24 * 3600_000;

export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { self, brokerAddress, port, log, clock, intervalMs = 10_000, retryMs = 1_000 } = options;
  const collector: Collector = makeCollector(self.neighborhood, clock);
  const queue: MetricsPayload[] = [];
  const counts = { sent: 0, sentBytes: 0, dropped: 0 };
  let client: MqttClient | undefined;
  let connectedTo: string | undefined;
  let lastError = "";
  let failures = 0;
  let notBefore = 0;
  let lastConnected = clock.monotonic();
  let newest: MetricsPayload | undefined;
  let inventory: InventoryPayload | undefined;
  let inventoryAt = Number.NEGATIVE_INFINITY;
  let saidWarnings = "";

  const state = (state: StatePayload["state"]): string =>
    JSON.stringify({
      v: 1,
      state,
      name: self.name,
      board: self.board,
      release: self.release,
      address: self.address,
    } satisfies StatePayload);
  const topic = (name: TopicName) => topicOf(self.neighborhood, self.id, name);

  const say = (where: string, payload: string, qos: 0 | 1, retain = true): void => {
    client?.publish(where, payload, { qos, retain }, (error) => {
      if (error) log.debug(`${where}: ${error.message}`);
    });
    counts.sent += 1;
    counts.sentBytes += where.length + payload.length;
  };
  const sayWarnings = (always: boolean): void => {
    const payload = JSON.stringify({ v: 1, warnings: options.warnings() } satisfies WarningsPayload);
    if (!always && payload === saidWarnings) return;
    saidWarnings = payload;
    say(topic("warnings"), payload, 1);
  };

  const sayEverything = (): void => {
    say(topic("state"), state("online"), 1);
    if (options.homeAssistant) for (const [where, payload] of announcements(self)) say(where, payload, 1);
    if (inventory) say(topic("inventory"), JSON.stringify(inventory), 1);
    sayWarnings(true);
    // Only the newest stays with the broker; the older ones are for whoever keeps a history.
    queue.splice(0).forEach((metrics, index, all) => {
      say(topic("metrics"), JSON.stringify(metrics), 0, index === all.length - 1);
    });
  };

  const leave = async (): Promise<void> => {
    const leaving = client;
    client = undefined;
    connectedTo = undefined;
    collector.detach();
    if (!leaving) return;
    leaving.removeAllListeners("connect");
    if (leaving.connected) leaving.publish(topic("state"), state("offline"), { qos: 0, retain: true });
    // Half a second for the goodbye; a broker that is gone gets none.
    await Promise.race([leaving.endAsync(!leaving.connected), new Promise((done) => setTimeout(done, 500))]);
    leaving.end(true);
  };

  const join = (target: string): void => {
    const to = targetOf(target, port);
    const joining = new MqttClient(() => openSocket(to, { ownAddress: self.address, tls: options.tls }), {
      clientId: `${self.id}.agent`,
      protocolVersion: 4,
      clean: true,
      keepalive: 60,
      connectTimeout: 10_000,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      ...(to.username !== undefined && { username: to.username }),
      ...(to.password !== undefined && { password: to.password }),
      will: { topic: topic("state"), payload: Buffer.from(state("offline")), qos: 1, retain: true },
    });
    client = joining;
    connectedTo = target;
    joining.on("error", (error) => {
      const because = describeError(error);
      // Members come and go; an external broker that refuses us, or whose certificate is wrong, is for its owner to mend.
      const isNews = to.transport !== "mesh" && because !== lastError;
      log[isNews ? "warn" : "debug"](`broker ${to.label}: ${because}`);
      if (isNews) lastError = because;
    });
    joining.on("connect", () => {
      failures = 0;
      lastError = "";
      log.info(`connected to the broker at ${to.label}`);
      collector.attach(joining);
      sayEverything();
    });
    joining.on("message", (where, payload) => collector.hear(where, payload));
    joining.once("close", () => {
      if (client !== joining) return;
      client = undefined;
      connectedTo = undefined;
      collector.detach();
      joining.end(true);
      failures += 1;
      const wait = Math.min(maxRetryMs, retryMs * 2 ** Math.min(failures - 1, 10));
      notBefore = clock.monotonic() + wait * (0.5 + Math.random());
    });
  };

  const follow = async (): Promise<void> => {
    const target = brokerAddress();
    if (connectedTo !== undefined && target !== connectedTo) {
      await leave();
      // All members learn of a new broker at once; they need not knock at once.
      notBefore = clock.monotonic() + retryMs * Math.random();
    }
    if (target !== undefined && !client && clock.monotonic() >= notBefore) join(target);
    if (client?.connected) {
      lastConnected = clock.monotonic();
      options.standing?.clear("broker.unreachable", "client");
      sayWarnings(false);
    } else if (target !== undefined && clock.monotonic() - lastConnected > silentMs) {
      const { label, transport } = targetOf(target, port);
      const because = lastError && `: ${lastError}`;
      const hint =
        transport === "mesh"
          ? "metrics wait in a queue meanwhile; hamlet net explain tells how that member is reached"
          : "metrics wait in a queue meanwhile; telemetry.broker says where it is, and who may speak to it";
      options.standing?.raise("broker.unreachable", `the broker at ${label} does not answer${because}`, hint, "client");
    }
    collector.tick();
  };

  const report = async (): Promise<void> => {
    newest = await options.sample();
    collector.keep(self.id, newest);
    if (client?.connected) return say(topic("metrics"), JSON.stringify(newest), 0);
    if (queue.push(newest) > queueLimit) counts.dropped += queue.splice(0, 1).length;
  };

  const takeStock = async (): Promise<void> => {
    if (clock.monotonic() - inventoryAt < dayMs) return;
    inventoryAt = clock.monotonic();
    inventory = await options.inventory();
    if (client?.connected) say(topic("inventory"), JSON.stringify(inventory), 1);
  };

  const complain = (what: string) => (error: unknown) => log.warn(`${what}: ${describeError(error)}`);
  const timers = [
    every(Math.min(1_000, retryMs), follow, complain("broker"), 0.1),
    every(intervalMs, report, complain("metrics"), 0.05),
    // The first one waits until a device that just started has nothing better to do.
    every(Math.min(30_000, intervalMs * 3), takeStock, complain("inventory"), 0.2),
  ];
  void follow().catch(complain("broker"));
  void report().catch(complain("metrics"));

  return {
    isConnected: () => client?.connected ?? false,
    own: () => newest,
    latest: () => collector.latest(),
    look: () => collector.look(),
    counts: () => ({ ...counts, queued: queue.length }),
    async stop() {
      for (const timer of timers) timer.stop();
      await leave();
    },
  };
}
