// A neighborhood that updates itself, in simulated time: each device runs the real core of a rollout on its own view, and hears of the
// others late, in any order, or only after a partition has healed.
// A run depends on nothing but its options.
import { type Here, withAuto } from "../../ota/rollout/auto.ts";
import { isKeptAlike, keptOf, restored } from "../../ota/rollout/kept.ts";
import { dueAtMs, step } from "../../ota/rollout/step.ts";
import {
  type Effect,
  type Event,
  emptyView,
  type KnownOrder,
  type Member,
  type Order,
  type Result,
  type Updater,
  type View,
} from "../../ota/rollout/view.ts";
import { hoursOf } from "../../ota/rollout/window.ts";
import type { AutoRelease, RolloutPolicy } from "../../provisioning/trust/rollout-policy.ts";
import { draw, type Random } from "../../system/random.ts";
import { Agenda } from "./agenda.ts";

export const minuteMs = 60_000;
export type TownOptions = {
  size: number;
  seed: number;
  /** The share of messages that arrive only with the next full sync. */
  loss: number;
  order: Partial<Order>;
  /** Whether the release fails on the device that tries it as number `turn`, from 0. */
  fails(turn: number, random: Random): boolean;
  /** How many have the release from the beginning. */
  alreadyThere?: number;
  /** Until when a device's updater refuses to prepare the release. */
  refusesUntilMs?(at: number): number;
  /** Whether one must prove the release before the others; by default as the order says. */
  needsCanary?: boolean;
  /** For a test of the checks: nobody hears of others' restarts, and everybody gets the lease. */
  isBlind?: boolean;
};
type Device = {
  id: string;
  isUp: boolean;
  group: number;
  release: string;
  view: View;
  /** The view as it was last written to the disk. */
  disk: { view: View; atMs: number };
  known: Map<string, Member>;
  updater: Updater;
  ended: View["ended"];
  wakeAtMs: number;
  /** Told apart from messages of an earlier boot. */
  boot: number;
};
type News = { orders?: readonly KnownOrder[]; results?: readonly Result[] };
type Happening =
  | { kind: "wake"; device: number; boot: number }
  | { kind: "news"; to: number; from: number; news: News }
  /** `of`: a device that came or went; undefined for all at once. */
  | { kind: "notice"; by: number; of?: number }
  | { kind: "sync"; device: number; boot: number; again: number }
  | { kind: "updater"; device: number; boot: number; updater: Updater }
  | { kind: "lease"; device: number; boot: number }
  | { kind: "down"; device: number; boot: number }
  | { kind: "start"; device: number; boot: number }
  | { kind: "verdict"; device: number; boot: number; isGood: boolean }
  | { kind: "call"; act(): void };

const [before, after] = ["1.0.0", "1.1.0"];
const trialSeconds = 180;
const leaseMs = 30 * minuteMs;
const syncMs = 30_000;
const saveMs = 10 * minuteMs;
/** A message gets lost only while its receiver is away: the syncs after it is back bring it, and later ones nothing new. */
const rareSyncMs = 10 * minuteMs;
/** An outage is known to everybody within this time. */
const noticedMs = 8_000;

export class RolloutTown {
  now = 0;
  steps = 0;
  readonly problems: string[] = [];
  readonly devices: Device[];
  /** Devices that have begun, in order, and how many of those failed. */
  readonly tried: string[] = [];
  failed = 0;
  /** The first that tried the release, unless power ended its trial; and when it kept it. */
  canary: { id: string; keptAtMs?: number } | undefined;
  readonly #o: TownOptions;
  readonly #random: Random;
  readonly #agenda = new Agenda<Happening>();
  readonly #restarting = new Set<string>();
  readonly #downSince = new Map<string, number>();
  #lease: { device: number; untilMs: number } | undefined;

  constructor(o: TownOptions) {
    this.#o = o;
    this.#random = { seed: o.seed };
    const ids = Array.from({ length: o.size }, (_, at) => `device-${o.seed}-${at}`);
    this.devices = ids.map((id) => {
      const view = emptyView(id, trialSeconds, 0);
      const releaseOf = (at: number) => (at < (o.alreadyThere ?? 0) ? after : before);
      const known = new Map(ids.map((other, at): [string, Member] => [other, plain(other, releaseOf(at))]));
      const disk = { view, atMs: 0 };
      return {
        ...{
          id,
          isUp: true,
          group: 0,
          release: known.get(id)!.release,
          view,
          disk,
          known,
          ended: undefined,
          wakeAtMs: 0,
          boot: 0,
        },
        updater: { phase: "free" },
      };
    });
    for (const at of this.devices.keys()) this.#boot(at);
  }

  draw(): number {
    return draw(this.#random);
  }

  after(ms: number, act: () => void): void {
    this.#agenda.add(this.now + ms, { kind: "call", act });
  }

  /** Hands the order to one device. */
  order(change: Partial<Order> = {}): Order {
    const order: Order = {
      ...{ rollout: "a-rollout", number: 1, state: "running", promoted: 0, release: after, startedAt: 1 },
      ...{ waves: ["canary", 10, 50, 100], soakSeconds: 600, successPercent: 95, maxUnavailable: 1 },
      ...this.#o.order,
      ...change,
    };
    const up = this.devices.findIndex(({ isUp }) => isUp);
    this.#tell(up, { orders: [{ order, operators: ["ops"] }] });
    this.#hear(up, { orders: [{ order, operators: ["ops"] }] });
    return order;
  }

  /**
   * Publishes the release for homes without an operator: each device's own updater finds it at its next check, within 6 hours, and no
   * device hears of it from another. Returns the rollout's id.
   */
  publish(policy: Omit<RolloutPolicy, "kind">, here: (at: number) => Partial<Here> = () => ({})): string {
    const auto: AutoRelease = { release: after, policy: { kind: "auto", ...policy }, publisher: "5f" };
    const orders = (at: number) => withAuto([], auto, { isRefused: false, hasZone: false, ...here(at) });
    const learn = (at: number) => {
      const { isUp, view } = this.devices[at]!;
      if (isUp) this.#step(at, { kind: "orders", orders: orders(at), holds: view.holds });
      else this.after(10 * minuteMs, () => learn(at));
    };
    for (const at of this.devices.keys()) this.after(this.#upTo(6 * 60 * minuteMs), () => learn(at));
    return orders(0)[0]!.order.rollout;
  }

  run(ms: number): void {
    this.runUntil(() => false, ms);
  }

  /** How long it took; undefined if it did not come to that. */
  runUntil(isDone: () => boolean, withinMs: number): number | undefined {
    const [from, until] = [this.now, this.now + withinMs];
    for (let next = this.#agenda.next(until); next; next = this.#agenda.next(until)) {
      this.now = next.at;
      this.#happen(next.what);
      if (isDone()) return this.now - from;
    }
    this.now = until;
    return undefined;
  }

  updated(): number {
    return this.devices.filter(({ release }) => release === after).length;
  }

  isPaused(): boolean {
    const up = this.devices.filter(({ isUp }) => isUp);
    const hasPaused = ({ view }: Device) => [...view.progress.values()].some(({ pausedAt }) => pausedAt !== undefined);
    return up.length > 0 && up.every(hasPaused);
  }

  cut(at: number): void {
    const device = this.devices[at]!;
    if (!device.isUp) return;
    this.#downSince.set(device.id, this.now);
    this.#down(at);
    // Power that ends a trial says nothing of the release: the old one starts again, and the update is void.
    if (this.#restarting.delete(device.id)) {
      if (this.canary?.id === device.id) this.canary = undefined;
      device.release = before;
      device.ended = { from: before, to: after, outcome: "void", check: "trial.ended", atWallMs: this.now };
    }
  }

  restore(at: number): void {
    const device = this.devices[at]!;
    if (device.isUp || this.#restarting.has(device.id)) return;
    this.#downSince.delete(device.id);
    this.#start(at, { phase: "free" });
  }

  partition(isLeft: (at: number) => boolean): void {
    for (const [at, device] of this.devices.entries()) device.group = isLeft(at) ? 1 : 0;
    this.#noticeAll();
  }

  heal(): void {
    for (const device of this.devices) device.group = 0;
    this.#noticeAll();
    for (const [at, { boot }] of this.devices.entries())
      this.#agenda.add(this.now + this.#upTo(syncMs), { kind: "sync", device: at, boot, again: 3 });
  }

  #noticeAll(): void {
    for (const by of this.devices.keys()) {
      this.#agenda.add(this.now + this.#upTo(noticedMs), { kind: "notice", by });
    }
  }

  #upTo(ms: number): number {
    return 50 + this.draw() * (ms - 50);
  }

  #hears(a: number, b: number): boolean {
    const [one, other] = [this.devices[a]!, this.devices[b]!];
    return one.isUp && other.isUp && one.group === other.group;
  }

  #happen(what: Happening): void {
    if (what.kind === "call") return void what.act();
    if (what.kind === "news") return void (this.#hears(what.from, what.to) && this.#hear(what.to, what.news));
    if (what.kind === "notice") return void this.#notice(what.by, what.of);
    const { device: at } = what;
    const device = this.devices[at]!;
    if (what.boot !== device.boot) return;
    switch (what.kind) {
      case "wake":
        if (device.isUp && this.now >= device.wakeAtMs) this.#step(at, { kind: "tick" });
        return;
      case "sync":
        return void this.#sync(at, what.again);
      case "updater":
        device.updater = what.updater;
        return void this.#step(at, { kind: "updater", updater: what.updater, ended: device.ended });
      case "lease":
        return void this.#answerLease(at);
      case "down":
        this.#down(at);
        this.#agenda.add(this.now + 30_000 + this.#upTo(20_000), { kind: "start", device: at, boot: device.boot });
        return;
      case "start": {
        const isGood = !this.#o.fails(this.tried.length - 1, this.#random);
        device.release = after;
        this.#start(at, { phase: "trying", release: after });
        this.#agenda.add(this.now + this.#upTo(isGood ? 60_000 : 150_000), {
          kind: "verdict",
          device: at,
          boot: device.boot,
          isGood,
        });
        return;
      }
      case "verdict":
        return void this.#verdict(at, what.isGood);
    }
  }

  #verdict(at: number, isGood: boolean): void {
    const device = this.devices[at]!;
    this.#restarting.delete(device.id);
    const outcome = isGood ? "committed" : "failed";
    if (!isGood) this.failed++;
    else if (this.canary?.id === device.id) this.canary.keptAtMs ??= this.now;
    device.ended = {
      from: before,
      to: after,
      outcome,
      ...(!isGood && { check: "trial.noHandshake" }),
      atWallMs: this.now,
    };
    if (isGood) return void this.#step(at, { kind: "updater", updater: { phase: "free" }, ended: device.ended });
    device.release = before;
    this.#down(at);
    this.after(40_000, () => this.#start(at, { phase: "free" }));
  }

  #down(at: number): void {
    const device = this.devices[at]!;
    // How long things have lasted is saved now and then too.
    device.disk = { view: device.view, atMs: Math.max(device.disk.atMs, this.now - saveMs) };
    device.isUp = false;
    device.boot++;
    for (const by of this.devices.keys())
      if (by !== at) this.#agenda.add(this.now + this.#upTo(noticedMs), { kind: "notice", by, of: at });
  }

  #start(at: number, updater: Updater): void {
    const device = this.devices[at]!;
    device.isUp = true;
    device.boot++;
    device.updater = updater;
    const { view, atMs } = device.disk;
    device.view = {
      ...restored(keptOf(view, atMs), device.id, trialSeconds, this.now),
      orders: view.orders,
      holds: view.holds,
    };
    this.#boot(at);
    this.#agenda.add(this.now + this.#upTo(3_000), { kind: "notice", by: at });
    for (const by of this.devices.keys()) {
      if (by !== at) this.#agenda.add(this.now + this.#upTo(3_000), { kind: "notice", by, of: at });
    }
  }

  #boot(at: number): void {
    const device = this.devices[at]!;
    const own = device.known.get(device.id)!;
    device.known.set(device.id, { ...own, release: device.release });
    this.#step(at, { kind: "clock", moment: { atMs: this.now, wallMs: this.now, minute: this.now / minuteMs } });
    this.#step(at, { kind: "members", members: [...device.known.values()] });
    this.#step(at, { kind: "updater", updater: device.updater, ended: device.ended });
    this.#agenda.add(this.now + this.#upTo(syncMs), { kind: "sync", device: at, boot: device.boot, again: 3 });
  }

  #notice(by: number, of: number | undefined): void {
    const device = this.devices[by]!;
    if (!device.isUp || this.#o.isBlind) return;
    let hasChanged = false;
    for (const at of of === undefined ? this.devices.keys() : [of]) {
      const other = this.devices[at]!;
      if (at === by) continue;
      const was = device.known.get(other.id)!;
      const isThere = this.#hears(by, at);
      if (isThere === (was.absentSinceMs === undefined) && (!isThere || was.release === other.release)) continue;
      device.known.set(other.id, isThere ? plain(other.id, other.release) : { ...was, absentSinceMs: this.now });
      hasChanged = true;
    }
    if (hasChanged) this.#step(by, { kind: "members", members: [...device.known.values()] });
  }

  #tell(from: number, news: News): void {
    for (const to of this.devices.keys()) {
      if (to === from) continue;
      const delayMs = this.draw() < this.#o.loss ? this.#upTo(syncMs) : this.#upTo(2_000);
      this.#agenda.add(this.now + delayMs, { kind: "news", from, to, news });
    }
  }

  /** Both sides end with what either had. */
  #sync(at: number, again: number): void {
    const { boot } = this.devices[at]!;
    const others = [...this.devices.keys()].filter((other) => other !== at && this.#hears(at, other));
    const other = others[Math.floor(this.draw() * others.length)];
    if (other !== undefined) {
      const [one, two] = [this.devices[at]!.view, this.devices[other]!.view];
      const signed = ({ orders }: View) => orders.filter(({ order }) => !order.auto);
      this.#hear(at, { orders: signed(two), results: [...two.results.values()] });
      this.#hear(other, { orders: signed(one), results: [...one.results.values()] });
    }
    const more = again > 0 ? syncMs : rareSyncMs;
    this.#agenda.add(this.now + more, { kind: "sync", device: at, boot, again: Math.max(0, again - 1) });
  }

  #hear(at: number, { orders = [], results = [] }: News): void {
    const { view } = this.devices[at]!;
    const newer = orders.filter(({ order }) => {
      const had = view.orders.find((one) => one.order.rollout === order.rollout);
      return !had || had.order.number < order.number;
    });
    if (newer.length > 0) {
      const kept = view.orders.filter(({ order }) => !newer.some((one) => one.order.rollout === order.rollout));
      this.#step(at, { kind: "orders", orders: [...kept, ...newer], holds: view.holds });
    }
    for (const result of this.#o.isBlind ? [] : results) {
      const had = this.devices[at]!.view.results.get(result.device);
      if (result.device === view.self || (had && had.said >= result.said)) continue;
      this.#step(at, { kind: "result", result });
    }
  }

  #answerLease(at: number): void {
    const device = this.devices[at]!;
    if (this.#o.isBlind || (this.#lease && this.#lease.untilMs <= this.now)) this.#lease = undefined;
    const inReach = [...this.devices.keys()].filter((other) => other === at || this.#hears(at, other)).length;
    if (!this.#o.isBlind && inReach * 2 <= this.devices.length)
      return void this.#step(at, { kind: "denied", by: "noMajority" });
    if (this.#lease && this.#lease.device !== at) {
      return void this.#step(at, {
        kind: "denied",
        by: "held",
        holder: this.devices[this.#lease.device]!.id,
        untilMs: this.#lease.untilMs,
      });
    }
    if (!device.isUp) return;
    this.#lease = { device: at, untilMs: this.now + leaseMs };
    // Under the lease a device asks the others what it has not heard.
    for (const [other, { view }] of this.devices.entries()) {
      if (other !== at && this.#hears(at, other)) this.#hear(at, { results: [...view.results.values()] });
    }
    this.#step(at, { kind: "granted" });
  }

  #step(at: number, event: Event): void {
    const device = this.devices[at]!;
    this.steps++;
    const was = device.view;
    const [view, effects] = step(was, event, this.now);
    device.view = view;
    const isKept = isKeptAlike(view, was) && view.orders === was.orders;
    if (!isKept) device.disk = { view, atMs: this.now };
    for (const effect of effects) this.#perform(at, effect);
    const due = dueAtMs(device.view, this.now);
    if (due === undefined || (device.wakeAtMs === due && due > this.now)) return;
    device.wakeAtMs = due;
    this.#agenda.add(due, { kind: "wake", device: at, boot: device.boot });
  }

  #perform(at: number, effect: Effect): void {
    const device = this.devices[at]!;
    const { boot } = device;
    switch (effect.kind) {
      case "prepare":
        if (this.now < (this.#o.refusesUntilMs?.(at) ?? 0)) {
          device.updater = { phase: "refusing", code: "update.notThere", isFinal: false };
          this.#agenda.add(this.now + 1_000, { kind: "updater", device: at, boot, updater: device.updater });
          return;
        }
        device.updater = { phase: "preparing", release: after, doneBytes: 0, totalBytes: 1 };
        this.#agenda.add(this.now, { kind: "updater", device: at, boot, updater: device.updater });
        this.#agenda.add(this.now + this.#upTo(2 * minuteMs), {
          kind: "updater",
          device: at,
          boot,
          updater: { phase: "ready", release: after },
        });
        return;
      case "askLease":
        this.#agenda.add(this.now + this.#upTo(1_000), { kind: "lease", device: at, boot });
        return;
      case "releaseLease":
        if (this.#lease?.device === at) this.#lease = undefined;
        return;
      case "publish":
        return void this.#tell(at, { results: [effect.result] });
      case "restart":
        this.#checkAlone(at);
        this.#checkCanary(at);
        this.#checkHours(at);
        this.tried.push(device.id);
        this.#restarting.add(device.id);
        this.#agenda.add(this.now + 1_000, { kind: "down", device: at, boot });
        return;
    }
  }

  /** Nobody begins after the first one before that has kept the release and the soak is over. */
  #checkCanary(at: number): void {
    const { id, view } = this.devices[at]!;
    const order = view.orders[0]?.order;
    this.canary ??= { id };
    const { id: canary, keptAtMs = this.now } = this.canary;
    const { needsCanary = order?.waves[0] === "canary" } = this.#o;
    if (!order || !needsCanary || canary === id || this.now - keptAtMs >= order.soakSeconds * 1000) return;
    this.problems.push(`at ${this.now} ${id} begins before the canary ${canary} has proved the release`);
  }

  /** The simulated time begins at midnight. A device may have asked for the restart in the last moment. */
  #checkHours(at: number): void {
    const { id, view } = this.devices[at]!;
    const window = view.orders[0]?.order.window;
    const clock = { atMs: this.now, wallMs: this.now, minute: (this.now / minuteMs) % (24 * 60) };
    if (!hoursOf(window, clock, this.now).isOpen) this.problems.push(`at ${this.now} ${id} restarts outside ${window}`);
  }

  /** Never two of one neighborhood down, as far as anybody could know. */
  #checkAlone(at: number): void {
    const { id } = this.devices[at]!;
    for (const other of this.#restarting) this.problems.push(`at ${this.now} ${id} restarts while ${other} does`);
    for (const [other, since] of this.#downSince) {
      if (this.now - since > 2 * noticedMs)
        this.problems.push(`at ${this.now} ${id} restarts while ${other} is away since ${since}`);
    }
  }
}

const plain = (id: string, release: string): Member => ({ id, release, tags: [], duties: [] });
