// Publishes state, metrics, peers, inventory, warnings and the announcements to Home Assistant, and remembers what the broker has already.
import {
  type InventoryPayload,
  type MetricsPayload,
  type PeersPayload,
  type TopicName,
  topicOf,
  topics,
  type UpdatePayload,
} from "../../ota/fleet/topics.ts";
import type { Log } from "../../system/log.ts";
import type { Warning } from "../health/warnings.ts";
import { Backlog } from "./backlog.ts";
import { announcements, type Source } from "./homeassistant.ts";
import { encode, stateOf, warningsOf } from "./messages.ts";
import { PeerReports } from "./peer-reports.ts";

export type ReportsOptions = {
  self: { id: string; neighborhood: string; name(): string; board: string; release: string; address: string };
  homeAssistant: boolean;
  isConnected(): boolean;
  publish(topic: string, payload: string, options: { qos: 0 | 1; retain: boolean }): void;
  warnings(): Warning[];
  peers(): PeersPayload["peers"];
  /** Undefined where no updater runs. */
  update(): UpdatePayload | undefined;
  log: Log;
};

/** A sensor may be asleep when the device starts; a field that five minutes of metrics lack is one that the device lacks. */
const certainSamples = 30;

/** Methods take the monotonic time, in ms. */
export class Reports {
  readonly #options: ReportsOptions;
  readonly #backlog = new Backlog();
  readonly #peerReports = new PeerReports();
  readonly #unsendable = new Set<TopicName>();
  /** Payload of each announcement on this connection, by topic. */
  readonly #announced = new Map<string, string>();
  readonly #seen = new Set<keyof MetricsPayload>();
  #samples = 0;
  #sent = { sent: 0, sentBytes: 0 };
  #sentWarnings = "";
  #sentUpdate = "";
  #inventory: InventoryPayload | undefined;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  counts(): { sent: number; sentBytes: number; queued: number; dropped: number } {
    return { ...this.#sent, queued: this.#backlog.queued, dropped: this.#backlog.dropped };
  }

  /** The last will, which is the goodbye as well. */
  farewell(): { topic: string; payload: string } {
    return { topic: this.#topic("state"), payload: JSON.stringify(stateOf(this.#options.self, "offline")) };
  }

  /** Sends everything again: the broker may be a new one. */
  connected(now: number): void {
    this.#send("state", stateOf(this.#options.self, "online"));
    this.#announced.clear();
    this.#announce();
    if (this.#inventory) this.#send("inventory", this.#inventory);
    this.#sendWarnings();
    this.#sentUpdate = "";
    this.#sendUpdate();
    this.#peerReports.forget();
    this.#sendPeers(now);
    this.#backlog.connected();
    this.#flush(now);
  }

  /** Sends what has changed and what the broker takes now. */
  tick(now: number): void {
    if (!this.#options.isConnected()) return;
    if (this.#sentWarnings !== JSON.stringify(warningsOf(this.#options.warnings()))) this.#sendWarnings();
    this.#sendUpdate();
    // Here and not with the metrics: those may be an hour apart, and a report of peers counts for two and a half minutes.
    this.#sendPeers(now);
    this.#flush(now);
  }

  addMetrics(metrics: MetricsPayload, now: number): void {
    this.#samples += 1;
    for (const field of Object.keys(metrics) as (keyof MetricsPayload)[]) this.#seen.add(field);
    this.#backlog.push(metrics);
    if (!this.#options.isConnected()) return;
    this.#announce();
    this.#flush(now);
  }

  setInventory(inventory: InventoryPayload): void {
    this.#inventory = inventory;
    if (this.#options.isConnected()) this.#send("inventory", inventory);
  }

  withdraw(): void {
    if (!this.#options.isConnected()) return;
    const { self } = this.#options;
    for (const [topic] of announcements({ ...self, name: self.name() })) this.#publish(topic, "", 1);
  }

  #topic(name: TopicName): string {
    return topicOf(this.#options.self.neighborhood, this.#options.self.id, name);
  }

  #publish(topic: string, payload: string, qos: 0 | 1, retain = true): void {
    this.#options.publish(topic, payload, { qos, retain });
    this.#sent.sent += 1;
    this.#sent.sentBytes += topic.length + payload.length;
  }

  #send<Name extends TopicName>(name: Name, payload: Parameters<typeof encode<Name>>[1], retain = true): void {
    const json = encode(name, payload);
    if (json !== undefined) this.#publish(this.#topic(name), json, topics[name].qos, retain);
    else if (!this.#unsendable.has(name)) {
      this.#unsendable.add(name);
      this.#options.log.warn(`${name}: not sent, the broker would refuse it`);
    }
  }

  #sendWarnings(): void {
    const warnings = warningsOf(this.#options.warnings());
    this.#sentWarnings = JSON.stringify(warnings);
    this.#send("warnings", warnings);
  }

  #sendUpdate(): void {
    const update = this.#options.update();
    const text = JSON.stringify(update ?? {});
    if (!update || text === this.#sentUpdate) return;
    const isFirst = this.#sentUpdate === "";
    this.#sentUpdate = text;
    this.#send("update", update);
    // Home Assistant learns of the updater only once there is one.
    if (isFirst) this.#announce();
  }

  #sendPeers(now: number): void {
    const peers = this.#peerReports.due(this.#options.peers(), now);
    if (peers) this.#send("peers", peers);
  }

  #flush(now: number): void {
    // The broker keeps only the newest; the older ones are for subscribers that keep a history.
    const due = this.#backlog.due(now);
    for (const metrics of due) this.#send("metrics", metrics, metrics === due.at(-1));
  }

  #has = (field: Source): boolean | undefined => {
    if (!this.#options.homeAssistant) return false;
    if (field === "warnings") return true;
    // Right after its start an agent has not heard its updater yet: withdraw nothing.
    if (field === "update") return this.#options.update() ? true : undefined;
    return this.#seen.has(field) || (this.#samples < certainSamples ? undefined : false);
  };

  #announce(): void {
    const { self } = this.#options;
    for (const [topic, payload] of announcements({ ...self, name: self.name() }, this.#has)) {
      if (this.#announced.get(topic) === payload) continue;
      this.#announced.set(topic, payload);
      this.#publish(topic, payload, 1);
    }
  }
}
