// Telemetry: samples this device on timers and publishes by MQTT; receives what the others publish while a person looks at them.
import type { ConnectionOptions } from "node:tls";
import type { InventoryPayload, MetricsPayload, PeersPayload, UpdatePayload } from "../../ota/fleet/topics.ts";
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { startClient } from "./client.ts";
import { makeCollector } from "./collector.ts";
import { Reports } from "./reports.ts";

export type TelemetryOptions = {
  self: { id: string; neighborhood: string; name(): string; board: string; release: string; address: string };
  /** Mesh address (or the URL) of the broker in use; undefined while there is none. Asked every second. */
  brokerAddress(): string | undefined;
  port: number;
  sample(): Promise<MetricsPayload>;
  /** How this device reaches each other member. */
  peers(): PeersPayload["peers"];
  inventory(): Promise<InventoryPayload>;
  /** What the updater does; undefined where none runs. */
  update?(): UpdatePayload | undefined;
  /** All of them are published. Telemetry's own is raised when the broker has not answered for a minute. */
  warnings: Pick<Warnings, "list" | "raise" | "clear">;
  homeAssistant: boolean;
  log: Log;
  clock: Clock;
  intervalMs?: number;
  /** The first wait before connecting again; it doubles up to 30 s, each with jitter. */
  retryMs?: number;
  /** Authorities that may sign the certificate of an mqtts:// broker; the well-known ones by default. */
  tls?: Pick<ConnectionOptions, "ca">;
};
export type Telemetry = {
  isConnected(): boolean;
  /** The newest metrics of this device, whether or not they could be sent. */
  own(): MetricsPayload | undefined;
  /** The newest metrics of every device. Each call keeps the subscription for another minute. */
  latest(): Map<string, MetricsPayload>;
  /** How each device reaches the others, as far as it has said so lately. */
  peers(): Map<string, PeersPayload["peers"]>;
  /** Resolves once what the broker holds has arrived, or after a second without. */
  look(): Promise<void>;
  counts(): { sent: number; sentBytes: number; queued: number; dropped: number };
  /** Removes what was announced to Home Assistant: this device will not come back under its id. */
  withdraw(): void;
  stop(): Promise<void>;
};

const dayMs = 24 * 3600_000;

export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { self, log, clock, warnings, intervalMs = 10_000, retryMs = 1_000, tls } = options;
  const collector = makeCollector(self.neighborhood, clock);
  const reports: Reports = new Reports({
    self,
    homeAssistant: options.homeAssistant,
    isConnected: () => client.isConnected(),
    publish: (topic, payload, how) => client.publish(topic, payload, how),
    warnings: () => warnings.list(),
    peers: options.peers,
    update: () => options.update?.(),
    log,
  });
  const client = startClient({
    self,
    brokerAddress: options.brokerAddress,
    port: options.port,
    farewell: () => reports.farewell(),
    onConnect(connected) {
      collector.attach(connected);
      reports.connected(clock.monotonic());
    },
    onDisconnect: () => collector.detach(),
    onMessage: (topic, payload) => collector.receive(topic, payload),
    onTick() {
      reports.tick(clock.monotonic());
      collector.tick();
    },
    ...{ warnings, log, clock, retryMs, tls },
  });

  let newest: MetricsPayload | undefined;
  const report = async (): Promise<void> => {
    newest = await options.sample();
    collector.keep(self.id, newest);
    reports.addMetrics(newest, clock.monotonic());
  };

  let inventoryAt = Number.NEGATIVE_INFINITY;
  const takeInventory = async (): Promise<void> => {
    if (clock.monotonic() - inventoryAt < dayMs) return;
    inventoryAt = clock.monotonic();
    reports.setInventory(await options.inventory());
  };

  const complain = (what: string) => (error: unknown) => log.warn(`${what}: ${describeError(error)}`);
  const timers = [
    every(intervalMs, report, complain("metrics"), 0.05),
    // Another Node and a dozen commands: not while a device that has just started, on one slow core, still meets the others.
    every(Math.min(120_000, intervalMs * 12), takeInventory, complain("inventory"), 0.2),
  ];
  void report().catch(complain("metrics"));

  return {
    isConnected: () => client.isConnected(),
    own: () => newest,
    latest: () => collector.latest(),
    peers: () => collector.peers(),
    look: () => collector.look(),
    counts: () => reports.counts(),
    withdraw: () => reports.withdraw(),
    async stop() {
      for (const timer of timers) timer.stop();
      await client.stop();
    },
  };
}
