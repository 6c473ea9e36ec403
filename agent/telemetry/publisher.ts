// The agent's MQTT client: says how this device is, and hears of the others while somebody looks.
// It follows the broker from member to member; what could not be said meanwhile waits in a short queue.
import type { ConnectionOptions } from "node:tls";
import { MqttClient } from "mqtt";
import { type InventoryPayload, type MetricsPayload, type TopicName, topicOf, topics } from "../../ota/fleet/topics.ts";
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warning, Warnings } from "../health/warnings.ts";
import { Backlog } from "./backlog.ts";
import { type Collector, makeCollector } from "./collector.ts";
import { openSocket, targetOf } from "./connection.ts";
import { announcements } from "./homeassistant.ts";
import { encode, stateOf, warningsOf } from "./messages.ts";

export type TelemetryOptions = {
  self: { id: string; neighborhood: string; name(): string; board: string; release: string; address: string };
  /** Mesh address (or the URL) of the broker in use; undefined while there is none. Asked every second. */
  brokerAddress(): string | undefined;
  port: number;
  sample(): Promise<MetricsPayload>;
  inventory(): Promise<InventoryPayload>;
  warnings(): Warning[];
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

const maxRetryMs = 30_000;
/** A broker that accepts us and cuts us off soon after has not been reached: the waits go on growing. */
const steadyMs = 30_000;
/** A new broker is found and joined within seconds; a minute without one is worth a word. */
const silentMs = 60_000;
const dayMs = 24 * 3600_000;

export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { self, brokerAddress, port, log, clock, intervalMs = 10_000, retryMs = 1_000 } = options;
  const collector: Collector = makeCollector(self.neighborhood, clock);
  const backlog = new Backlog();
  const counts = { sent: 0, sentBytes: 0 };
  let client: MqttClient | undefined;
  let followed: string | undefined;
  let saidName = "";
  let isStopped = false;
  let lastError = "";
  let failures = 0;
  let connectedAt = 0;
  let notBefore = 0;
  let lastConnected = clock.monotonic();
  let newest: MetricsPayload | undefined;
  let inventory: InventoryPayload | undefined;
  let inventoryAt = Number.NEGATIVE_INFINITY;
  let saidWarnings = "";

  const unsayable = new Set<TopicName>();

  const topic = (name: TopicName) => topicOf(self.neighborhood, self.id, name);

  const publish = (where: string, payload: string, qos: 0 | 1, retain = true): void => {
    client?.publish(where, payload, { qos, retain }, (error) => {
      if (error) log.debug(`${where}: ${error.message}`);
    });
    counts.sent += 1;
    counts.sentBytes += where.length + payload.length;
  };
  const say = <Name extends TopicName>(
    name: Name,
    payload: Parameters<typeof encode<Name>>[1],
    retain = true,
  ): void => {
    const json = encode(name, payload);
    if (json !== undefined) publish(topic(name), json, topics[name].qos, retain);
    else if (!unsayable.has(name)) log.warn(`${name}: kept back, the broker would refuse it`);
    if (json === undefined) unsayable.add(name);
  };
  const sayWarnings = (always: boolean): void => {
    const warnings = warningsOf(options.warnings());
    const key = JSON.stringify(warnings);
    if (!always && key === saidWarnings) return;
    saidWarnings = key;
    say("warnings", warnings);
  };
  const flush = (): void => {
    if (!client?.connected) return;
    // Only the newest stays with the broker; the older ones are for whoever keeps a history.
    const due = backlog.due(clock.monotonic());
    for (const metrics of due) say("metrics", metrics, metrics === due.at(-1));
  };

  const sayEverything = (): void => {
    say("state", stateOf(self, "online"));
    const announced = options.homeAssistant ? announcements({ ...self, name: self.name() }) : [];
    for (const [where, payload] of announced) publish(where, payload, 1);
    if (inventory) say("inventory", inventory);
    sayWarnings(true);
    backlog.connected(clock.monotonic());
    flush();
  };

  const offline = (): string => JSON.stringify(stateOf(self, "offline"));
  const leave = async ({ goodbye }: { goodbye: boolean }): Promise<void> => {
    const leaving = client;
    client = undefined;
    collector.detach();
    if (!leaving) return;
    leaving.removeAllListeners("connect");
    if (leaving.connected && goodbye) leaving.publish(topic("state"), offline(), { qos: 0, retain: true });
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
      will: { topic: topic("state"), payload: Buffer.from(offline()), qos: 1, retain: true },
    });
    client = joining;
    saidName = self.name();
    joining.on("error", (error) => {
      const because = describeError(error);
      // Members come and go; an external broker that refuses us, or whose certificate is wrong, is for its owner to mend.
      const isNews = to.transport !== "mesh" && because !== lastError;
      log[isNews ? "warn" : "debug"](`broker ${to.label}: ${because}`);
      if (isNews) lastError = because;
    });
    joining.on("connect", () => {
      connectedAt = clock.monotonic();
      lastError = "";
      log.info(`connected to the broker at ${to.label}`);
      collector.attach(joining);
      sayEverything();
    });
    joining.on("message", (where, payload) => collector.hear(where, payload));
    joining.once("close", () => {
      if (client !== joining) return;
      client = undefined;
      collector.detach();
      joining.end(true);
      failures += 1;
      const wait = Math.min(maxRetryMs, retryMs * 2 ** Math.min(failures - 1, 10));
      notBefore = clock.monotonic() + wait * (0.5 + Math.random());
    });
  };

  const follow = async (): Promise<void> => {
    const target = brokerAddress();
    if (target !== followed) {
      await leave({ goodbye: true });
      // All members learn of a new broker at once; they need not knock at once.
      if (followed !== undefined) notBefore = clock.monotonic() + retryMs * Math.random();
      followed = target;
      failures = 0;
      lastError = "";
    } else if (client && self.name() !== saidName) {
      // The last will names us too, and MQTT takes a will at connect only.
      await leave({ goodbye: false });
    }
    if (target !== undefined && !client && !isStopped && clock.monotonic() >= notBefore) join(target);
    if (client?.connected) {
      lastConnected = clock.monotonic();
      if (lastConnected - connectedAt >= steadyMs) failures = 0;
      options.standing?.clear("broker.unreachable", "client");
      sayWarnings(false);
      flush();
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
    backlog.push(newest);
    flush();
  };

  const takeStock = async (): Promise<void> => {
    if (clock.monotonic() - inventoryAt < dayMs) return;
    inventoryAt = clock.monotonic();
    inventory = await options.inventory();
    if (client?.connected) say("inventory", inventory);
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
    counts: () => ({ ...counts, queued: backlog.queued, dropped: backlog.dropped }),
    async stop() {
      for (const timer of timers) timer.stop();
      isStopped = true;
      await leave({ goodbye: true });
    },
  };
}
