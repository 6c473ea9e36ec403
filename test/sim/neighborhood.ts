// A neighborhood simulated in one process: real SWIM cores, a simulated network and clock, one seed for all randomness.
// As with WireGuard, a datagram passes only between members that are each other's peers.
import { type Belief, Beliefs, nobody } from "../../agent/cluster/beliefs.ts";
import { decodeMessage, encodeMessage, type Freight, type Message } from "../../agent/cluster/messages.ts";
import type { State } from "../../agent/cluster/news.ts";
import { begin, type Event, step } from "../../agent/cluster/swim.ts";
import { allNews, type Effect, type View } from "../../agent/cluster/view.ts";
import { draw, sample } from "../../system/random.ts";
import { Agenda } from "./agenda.ts";
import { idOf, ink } from "./ink.ts";

export type SimOptions = {
  size: number;
  seed: number;
  loss?: number;
  delayMs?: [least: number, most: number];
  /** Another core to compare with. */
  step?: typeof step;
  /** The core of this member, if it runs another release: its messages cross as the bytes of the wire. */
  core?(index: number): Core | undefined;
};
/** What a release has of liveness. */
export type Core = {
  begin: typeof begin;
  step: typeof step;
  allNews: typeof allNews;
  encodeMessage: typeof encodeMessage;
  decodeMessage: typeof decodeMessage;
};
type Happening =
  | { kind: "tick"; life: number; member: number }
  | { kind: "arrival"; from: number; to: number; event: Event }
  | { kind: "mischief"; member: number };
type Body = {
  view: View;
  life: number;
  isUp: boolean;
  stalledUntil: number;
  /** How far its monotonic clock is ahead. */
  aheadMs: number;
  peers: Set<number>;
  side: number;
  malice?: Malice;
};
/** What a hostile member does beside taking part. */
export type Malice = {
  everyMs: number;
  act(town: Neighborhood, self: number): void;
  /** Returns whether it deals with the message instead of its honest core. */
  hear?(town: Neighborhood, self: number, from: number, message: Message): boolean;
};

export class Neighborhood {
  now = 0;
  steps = 0;
  datagrams = 0;
  bytes = 0;
  largestBytes = 0;
  /** Bytes that each member has sent. */
  readonly sentBy: number[] = [];
  /** Members that were declared dead while running and reachable. */
  readonly falseDeaths: { at: number; of: number; by: number }[] = [];
  /** Those of members that did not stall: by observer and subject, since when. */
  readonly #wrong = new Map<number, number>();
  longestFalseMs = 0;
  readonly bodies: Body[] = [];
  readonly #indexOf = new Map<string, number>();
  readonly #agenda = new Agenda<Happening>();
  readonly #random: { seed: number };
  readonly #o: Required<SimOptions>;

  constructor(o: SimOptions) {
    this.#o = { loss: 0, delayMs: [1, 5], step, core: () => undefined, ...o };
    this.#random = { seed: o.seed };
    for (let index = 0; index < o.size; index++) {
      this.#indexOf.set(idOf(index), index);
      const view = this.#birth(index);
      this.bodies.push({ view, life: 0, isUp: true, stalledUntil: 0, aheadMs: 0, peers: new Set(), side: 0 });
    }
  }

  #birth(index: number): View {
    const now = this.now + (this.bodies[index]?.aheadMs ?? 0);
    return this.#coreOf(index).begin(idOf(index), Math.floor(draw(this.#random) * 2 ** 32), now, ink);
  }

  #coreOf(index: number): Core {
    return this.#o.core(index) ?? { begin, step: this.#o.step, allNews, encodeMessage, decodeMessage };
  }

  /** Chance for scenarios, from the same seed. */
  draw(): number {
    return draw(this.#random);
  }

  indexOf(id: string): number {
    return this.#indexOf.get(id)!;
  }

  /** Makes all members of `group` (default: all) peers of each other. */
  meet(group: number[] = this.bodies.map((_, index) => index)): void {
    for (const index of group) {
      for (const other of group) if (other !== index) this.bodies[index]!.peers.add(other);
      this.#enroll(index);
    }
  }

  /** As `meet` for everybody, and a while later: each has heard of all others. They share what they believe until that changes. */
  acquaint(): void {
    const everybody = new Map<string, Belief>();
    for (const { view } of this.bodies) {
      const { id, incarnation, signature, since } = view.self;
      everybody.set(id, { state: "alive", incarnation, signature, since, accusers: nobody, hearsay: 0 });
    }
    const size = this.bodies.length;
    const all = Beliefs.of(everybody);
    const ids = [...everybody.keys()];
    const peers = new Set(this.bodies.keys());
    const isLarge = size > 1_000;
    // Ten thousand members have full syncs every five minutes, not 30 s, and no room for a whole round each.
    const syncMs = isLarge ? 300_000 : 30_000;
    for (const [index, body] of this.bodies.entries()) {
      body.peers = peers;
      const { id } = body.view.self;
      const members = all.without(id);
      const [probeAt, syncAt] = [this.now + 1_000 * this.draw(), this.now + syncMs * this.draw()];
      const round = isLarge ? sample(this.#random, ids, 16).filter((other) => other !== id) : [];
      body.view = { ...body.view, members, round, size, probeAt, syncAt, dueAt: Math.min(probeAt, syncAt) };
      this.#wake(index);
    }
  }

  #enroll(index: number): void {
    const ids = [...this.bodies[index]!.peers].map(idOf);
    this.#dispatch(index, { kind: "members", ids });
  }

  kill(index: number): void {
    const body = this.bodies[index]!;
    body.isUp = false;
    body.life++;
    for (const by of this.bodies.keys()) this.#end(by, index);
  }

  /** Restarts a member with only its key and its roster. */
  restart(index: number): void {
    this.kill(index);
    const body = this.bodies[index]!;
    body.isUp = true;
    body.stalledUntil = 0;
    body.view = this.#birth(index);
    this.#enroll(index);
  }

  leave(index: number): void {
    this.#dispatch(index, { kind: "leave" });
  }

  stall(index: number, ms: number): void {
    this.bodies[index]!.stalledUntil = this.now + ms;
  }

  /** Its clock jumps ahead, as after a suspend that other clocks do not count. */
  leap(index: number, ms: number): void {
    this.bodies[index]!.aheadMs += ms;
    this.#wake(index);
  }

  corrupt(index: number, malice: Malice): void {
    this.bodies[index]!.malice = malice;
    this.#agenda.add(this.now, { kind: "mischief", member: index });
  }

  /** Lets only members of the same side reach each other, until `heal`. */
  partition(...sides: number[][]): void {
    for (const [side, members] of sides.entries()) for (const member of members) this.bodies[member]!.side = side;
  }

  heal(): void {
    for (const body of this.bodies) body.side = 0;
  }

  run(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const next = this.#agenda.next(until);
      if (!next) break;
      this.now = next.at;
      this.#happen(next.what);
    }
    this.now = until;
  }

  /** Runs until `done`, checked every 50 ms; returns how long that took, or undefined after `withinMs`. */
  runUntil(done: () => boolean, withinMs: number): number | undefined {
    const startedAt = this.now;
    while (this.now - startedAt < withinMs) {
      if (done()) return this.now - startedAt;
      this.run(50);
    }
    return done() ? this.now - startedAt : undefined;
  }

  /** The state of `subject` in the view of `observer`. */
  belief(observer: number, subject: number): State | undefined {
    return this.bodies[observer]!.view.members.get(idOf(subject))?.state;
  }

  /** Whether all running members other than `subject` hold it for `state`. */
  agree(subject: number, state: State, among: number[] = this.bodies.map((_, index) => index)): boolean {
    return among.every(
      (index) => index === subject || !this.bodies[index]!.isUp || this.belief(index, subject) === state,
    );
  }

  isStalled(index: number): boolean {
    return this.now < this.bodies[index]!.stalledUntil;
  }

  /** Whether none of `group` who runs is dead to another who runs. */
  isCalm(group: readonly number[]): boolean {
    const up = group.filter((index) => this.bodies[index]!.isUp);
    const ids = new Set(up.map((index) => this.bodies[index]!.view.self.id));
    return up.every((index) => {
      for (const [id, { state }] of this.bodies[index]!.view.members) if (state === "dead" && ids.has(id)) return false;
      return true;
    });
  }

  /** Whether every running member holds every running member for alive. */
  isWhole(): boolean {
    return this.bodies.every(({ isUp }, index) => !isUp || this.agree(index, "alive"));
  }

  #happen(what: Happening): void {
    const index = what.kind === "arrival" ? what.to : what.member;
    const body = this.bodies[index]!;
    if (this.now < body.stalledUntil) {
      // What came meanwhile waits. As in Node, the timers are served first, then the sockets, in order.
      this.#agenda.add(body.stalledUntil + (what.kind === "arrival" ? 1 : 0), what);
      return;
    }
    if (what.kind === "arrival") {
      if (this.#isLinked(what.from, what.to)) this.#arrive(what);
    } else if (what.kind === "mischief") {
      if (body.isUp) body.malice?.act(this, index);
      this.#agenda.add(this.now + body.malice!.everyMs, what);
    } else if (body.isUp && body.life === what.life && body.view.dueAt <= this.now + body.aheadMs) {
      this.#dispatch(index, { kind: "tick" });
    }
  }

  #arrive({ from, to, event }: Happening & { kind: "arrival" }): void {
    const { malice } = this.bodies[to]!;
    if (event.kind === "heard" && malice?.hear?.(this, to, from, event.message)) return;
    this.#dispatch(to, event);
  }

  #isLinked(from: number, to: number): boolean {
    const [a, b] = [this.bodies[from]!, this.bodies[to]!];
    return b.isUp && a.side === b.side && a.peers.has(to) && b.peers.has(from);
  }

  #dispatch(index: number, event: Event): void {
    const body = this.bodies[index]!;
    const before = body.view.dueAt;
    this.steps++;
    const [view, effects] = this.#coreOf(index).step(body.view, event, this.now + body.aheadMs, ink);
    body.view = view;
    for (const effect of effects) this.#perform(index, effect);
    if (view.dueAt !== before || event.kind === "tick" || event.kind === "members") this.#wake(index);
  }

  #wake(index: number): void {
    const { view, life, aheadMs } = this.bodies[index]!;
    const tick = { kind: "tick", life, member: index } as const;
    if (Number.isFinite(view.dueAt)) this.#agenda.add(Math.max(this.now, view.dueAt - aheadMs), tick);
  }

  #perform(index: number, effect: Effect): void {
    if (effect.kind === "send") this.post(index, this.#indexOf.get(effect.to)!, effect.message);
    if (effect.kind === "sync") this.#sync(index, this.#indexOf.get(effect.with)!);
    if (effect.kind === "changed") {
      const of = this.#indexOf.get(effect.id)!;
      this.#end(index, of);
      if (effect.state === "dead" && this.bodies[of]!.isUp && this.#isLinked(of, index)) {
        this.falseDeaths.push({ at: this.now, of, by: index });
        if (!this.isStalled(of)) this.#wrong.set(index * this.bodies.length + of, this.now);
      }
    }
  }

  /** A false death is over when its observer changes its mind, or when it is true. */
  #end(by: number, of: number): void {
    const name = by * this.bodies.length + of;
    const since = this.#wrong.get(name);
    if (since === undefined) return;
    this.#wrong.delete(name);
    this.longestFalseMs = Math.max(this.longestFalseMs, this.now - since);
  }

  /** How long the longest false death took of a member that did not stall, those included that last. */
  longestFalse(): number {
    let longest = this.longestFalseMs;
    for (const since of this.#wrong.values()) longest = Math.max(longest, this.now - since);
    return longest;
  }

  /** Sends any datagram, also one that no honest member would send. */
  post(from: number, to: number, message: Message): void {
    const sizeBytes = encodeMessage(message).length;
    this.datagrams++;
    this.bytes += sizeBytes;
    this.sentBy[from] = (this.sentBy[from] ?? 0) + sizeBytes;
    this.largestBytes = Math.max(this.largestBytes, sizeBytes);
    if (draw(this.#random) < this.#o.loss) return;
    const [speaks, hears] = [this.#o.core(from), this.#o.core(to)];
    const crossed = speaks === hears ? message : this.#cross(message, this.#coreOf(from), this.#coreOf(to));
    const event: Event = { kind: "heard", from: idOf(from), message: crossed };
    this.#agenda.add(this.now + this.#delay(), { kind: "arrival", from, to, event });
  }

  /** Throws if the other release cannot read it. */
  #cross(message: Message, { encodeMessage: encode }: Core, { decodeMessage: decode }: Core): Message {
    const read = decode(Buffer.from(encode(message)));
    if (!read) throw new Error(`the other release cannot read ${encode(message)}`);
    return read;
  }

  /** TCP hides loss; each side receives what the other held when it sent. */
  #sync(from: number, to: number): void {
    if (!this.#isLinked(from, to)) return;
    const all = (member: number): Freight => ({
      news: this.#coreOf(member).allNews(this.bodies[member]!.view),
      documents: [],
    });
    const request: Event = { kind: "synced", from: idOf(from), freight: all(from) };
    const answer: Event = { kind: "synced", from: idOf(to), freight: all(to) };
    const there = this.now + 2 * this.#delay();
    this.#agenda.add(there, { kind: "arrival", from, to, event: request });
    this.#agenda.add(there + this.#delay(), { kind: "arrival", from: to, to: from, event: answer });
  }

  #delay(): number {
    const [least, most] = this.#o.delayMs;
    return least + draw(this.#random) * (most - least);
  }
}
