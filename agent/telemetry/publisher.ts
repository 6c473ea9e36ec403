// The agent's MQTT client: says how this device is, and hears of the others while somebody looks.
// It follows the broker from member to member; what could not be said meanwhile waits in a short queue.
import type { ConnectionOptions } from "node:tls";
import { MqttClient } from "mqtt";
import { brokerLimits } from "../../ota/fleet/access.ts";
import { isForSubscriber, limitPackets } from "../../ota/fleet/packets.ts";
import { type InventoryPayload, type MetricsPayload, type TopicName, topicOf, topics } from "../../ota/fleet/topics.ts";
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warning, Warnings } from "../health/warnings.ts";
import { Backlog } from "./backlog.ts";
import { loginHint } from "./broker-url.ts";
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
  /** Takes back what was announced to Home Assistant: this device is not coming back under its id. */
  withdraw(): void;
  stop(): Promise<void>;
};

const maxRetryMs = 30_000;
/** A broker that accepts us and cuts us off soon after has not been reached: the waits go on growing. */
const steadyMs = 30_000;
/** A new broker is found and joined within seconds; a minute without one is worth a word. */
const silentMs = 60_000;
const dayMs = 24 * 3600_000;
/** A sensor may be asleep when the device starts; what five minutes of metrics lack the device lacks. */
const certainSamples = 30;

export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { self, brokerAddress, port, log, clock, intervalMs = 10_000, retryMs = 1_000 } = options;
  const collector: Collector = makeCollector(self.neighborhood, clock);
  const backlog = new Backlog();
  const counts = { sent: 0, sentBytes: 0 };
  let client: MqttClient | undefined;
  let followed: string | undefined;
  let saidName = "";
  let isStopped = false;
  /** Why the last attempt ended, and why they do: what came twice in a row. Of reasons that take turns the first is told. */
  let lastTrouble = "";
  let trouble = "";
  let hasRefused = false;
  /** Of the broker, without the password that its URL may have. */
  let label = "";
  let failures = 0;
  let connectedAt = 0;
  let notBefore = 0;
  let lastSteady = clock.monotonic();
  let newest: MetricsPayload | undefined;
  let inventory: InventoryPayload | undefined;
  let inventoryAt = Number.NEGATIVE_INFINITY;
  let saidWarnings = "";

  const unsayable = new Set<TopicName>();
  /** What was announced to Home Assistant on this connection, by topic. */
  const announced = new Map<string, string>();
  const seen = new Set<keyof MetricsPayload>();
  let sampled = 0;

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

  const has = (field: keyof MetricsPayload): boolean | undefined =>
    options.homeAssistant && (seen.has(field) || (sampled < certainSamples ? undefined : false));
  const announce = (): void => {
    if (!client?.connected) return;
    for (const [where, payload] of announcements({ ...self, name: self.name() }, has)) {
      if (announced.get(where) === payload) continue;
      announced.set(where, payload);
      publish(where, payload, 1);
    }
  };

  const sayEverything = (): void => {
    say("state", stateOf(self, "online"));
    announced.clear();
    announce();
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

  const forgive = (): void => {
    failures = 0;
    [lastTrouble, trouble, hasRefused] = ["", "", false];
  };
  const blame = (because: string, isForOwner: boolean): void => {
    // Members come and go; what is wrong with an external broker is for its owner to mend.
    log[isForOwner && trouble === "" ? "warn" : "debug"](`broker ${label}: ${because}`);
    if (trouble === "" || because === lastTrouble) trouble = because;
    lastTrouble = because;
  };
  const wait = (): void => {
    failures += 1;
    const longest = Math.min(maxRetryMs, retryMs * 2 ** Math.min(failures - 1, 10));
    notBefore = clock.monotonic() + longest * (0.5 + Math.random());
  };

  const join = (target: string): void => {
    const to = targetOf(target, port);
    label = to.label;
    let isBlamed = false;
    const complainOnce = (because: string) => {
      if (!isBlamed) blame(because, to.transport !== "mesh");
      isBlamed = true;
    };
    const open = () => {
      const socket = openSocket(to, { ownAddress: self.address, tls: options.tls });
      const refused = () => complainOnce("it sent a packet that is too long or that nobody asked for");
      limitPackets(socket, brokerLimits.packetBytes, refused, isForSubscriber);
      return socket;
    };
    const joining = new MqttClient(open, {
      clientId: `${self.id}.agent`,
      protocolVersion: 4,
      clean: true,
      keepalive: 60,
      // Else metrics that go out count as a sign of life of whoever should take them.
      reschedulePings: false,
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
      complainOnce(describeError(error));
      // MQTT 3.1.1, 3.2.2.3: it answered, and the answer is no.
      hasRefused ||= "code" in error && typeof error.code === "number" && error.code > 0;
    });
    joining.on("connect", () => {
      connectedAt = clock.monotonic();
      log[failures === 0 ? "info" : "debug"](`connected to the broker at ${to.label}`);
      collector.attach(joining);
      sayEverything();
    });
    joining.on("message", (where, payload) => collector.hear(where, payload));
    joining.once("close", () => {
      if (client !== joining) return;
      client = undefined;
      collector.detach();
      joining.end(true);
      complainOnce("it ended the connection");
      wait();
    });
  };

  /** Whatever stands in the way, one warning says it: once for a reason, not once an attempt. */
  const complainOfBroker = (target: string): void => {
    const isMesh = !target.includes("://");
    // Members come and go; an external broker that refuses us is for its owner to mend, now.
    if (clock.monotonic() - lastSteady <= silentMs && (isMesh || !hasRefused)) return;
    const hint = isMesh
      ? "metrics wait in a queue meanwhile; hamlet net explain tells how that member is reached"
      : `look at telemetry.broker, which says where it is and who may speak to it: ${loginHint}`;
    const broker = `the broker at ${isMesh ? target : label || "telemetry.broker"}`;
    const because = trouble && `: ${trouble}`;
    options.standing?.raise("broker.unreachable", `${broker} does not answer${because}`, hint, "client");
  };

  const follow = async (): Promise<void> => {
    const target = brokerAddress();
    if (target !== followed) {
      await leave({ goodbye: true });
      // All members learn of a new broker at once; they need not knock at once.
      if (followed !== undefined) notBefore = clock.monotonic() + retryMs * Math.random();
      followed = target;
      forgive();
    } else if (client && self.name() !== saidName) {
      // The last will names us too, and MQTT takes a will at connect only.
      await leave({ goodbye: false });
    }
    if (target !== undefined && !client && !isStopped && clock.monotonic() >= notBefore) {
      try {
        join(target);
      } catch (error) {
        blame(describeError(error), true);
        wait();
      }
    }
    if (client?.connected) {
      if (clock.monotonic() - connectedAt >= steadyMs) {
        lastSteady = clock.monotonic();
        forgive();
        options.standing?.clear("broker.unreachable", "client");
      }
      sayWarnings(false);
      flush();
    } else if (target !== undefined) complainOfBroker(target);
    collector.tick();
  };

  const report = async (): Promise<void> => {
    newest = await options.sample();
    sampled += 1;
    for (const field of Object.keys(newest) as (keyof MetricsPayload)[]) seen.add(field);
    announce();
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
    withdraw() {
      for (const [where] of announcements({ ...self, name: self.name() })) if (client?.connected) publish(where, "", 1);
    },
    async stop() {
      for (const timer of timers) timer.stop();
      isStopped = true;
      await leave({ goodbye: true });
    },
  };
}
