// Members and their lease cores in one process: a simulated network, disks and clocks, one seed for all randomness.
import { foundedBy } from "../../../agent/cluster/leases/list.ts";
import type { LeaseMessage } from "../../../agent/cluster/leases/messages.ts";
import type { Effect, Event, Kept, View } from "../../../agent/cluster/leases/state.ts";
import { begin, step } from "../../../agent/cluster/leases/step.ts";
import { leaseMs } from "../../../agent/cluster/leases/terms.ts";
import type { State } from "../../../agent/cluster/news.ts";
import { draw } from "../../../system/random.ts";
import { Agenda } from "../agenda.ts";
import { idOf } from "../ink.ts";

/** A core with one safety rule taken out, to see that the rule is needed. */
export type Fault = (typeof faults)[number];
export const faults = [
  /** Voters write nothing down. */
  "unsaved",
  /** Voters grant as soon as they have restarted. */
  "unsettled",
  /** Holders go on for a while after their deadline. */
  "late",
  /** Holders do not know after a restart that they are some. */
  "oblivious",
  /** Clocks stand still while a device sleeps. */
  "sleepingClock",
] as const;
export type TownOptions = { size: number; seed: number; loss?: number; delayMs?: [number, number]; fault?: Fault };
type Happening =
  | { kind: "tick"; member: number; life: number }
  /** `life`: of the receiver in whose socket it waits. */
  | { kind: "arrival"; from: number; to: number; message: LeaseMessage; life?: number }
  | { kind: "look" }
  | { kind: "call"; run(): void };
/** What a member does with its lease. `untilMs` by true time. */
export type Lease = { claim: string; sinceMs: number; untilMs: number; isReleased: boolean };
export type Body = {
  view: View;
  disk: Kept | undefined;
  /** What was on disk some time ago. */
  yesterday: Kept | undefined;
  isUp: boolean;
  life: number;
  /** By true time, as `now`. */
  startedAt: number;
  stalledUntil: number;
  side: number;
  /** Its clock: ms of true time count `rate`, from `zero` on. */
  rate: number;
  zero: number;
  sleptMs: number;
  lease?: Lease | undefined;
};

const lookMs = 5_000;
const lateMs = 0.2 * leaseMs;

export class Town {
  now = 0;
  steps = 0;
  datagrams = 0;
  readonly bodies: Body[] = [];
  readonly problems: string[] = [];
  /** Called with each grant and denial. */
  onOutcome: (member: number, effect: Effect & { kind: "granted" | "denied" | "lost" }) => void = () => {};
  /** When the sides of the partition last changed. */
  sidesSince = 0;
  readonly #agenda = new Agenda<Happening>();
  readonly #random: { seed: number };
  readonly #o: Required<Omit<TownOptions, "fault">> & Pick<TownOptions, "fault">;
  #claims = 0;

  constructor(o: TownOptions) {
    this.#o = { loss: 0, delayMs: [1, 40], ...o };
    this.#random = { seed: o.seed };
    for (let index = 0; index < o.size; index++) {
      const rate = 1 + (this.draw() - 0.5) / 500;
      const blank = {
        disk: undefined,
        yesterday: undefined,
        isUp: false,
        life: 0,
        startedAt: 0,
        stalledUntil: 0,
        side: 0,
        sleptMs: 0,
      };
      this.bodies.push({ view: begin(idOf(index), undefined, 0, 0), rate, zero: 0, ...blank });
    }
    for (const index of this.bodies.keys()) this.restart(index);
    this.#agenda.add(lookMs, { kind: "look" });
  }

  draw(): number {
    return draw(this.#random);
  }

  /** All are voters of one list from the beginning. */
  acquaint(): void {
    const voters = this.bodies.map((_, index) => idOf(index)).sort();
    const list = { ...foundedBy(idOf(0)), number: this.bodies.length, voters };
    for (const [index, body] of this.bodies.entries()) {
      body.disk = { list, grants: [] };
      body.yesterday = body.disk;
      this.restart(index);
    }
  }

  at(ms: number, run: () => void): void {
    this.#agenda.add(ms, { kind: "call", run });
  }

  kill(index: number): void {
    const body = this.bodies[index]!;
    body.isUp = false;
    body.life++;
  }

  /** With what is on its disk, or was `yesterday`. Its clock begins anew. */
  restart(index: number, { yesterday = false } = {}): void {
    this.kill(index);
    const body = this.bodies[index]!;
    if (yesterday) body.disk = body.yesterday;
    Object.assign(body, {
      isUp: true,
      startedAt: this.now,
      stalledUntil: 0,
      sleptMs: 0,
      zero: this.now - 1_000 * this.draw(),
    });
    const view = begin(idOf(index), body.disk, Math.floor(this.draw() * 2 ** 32), this.#clock(body));
    body.view = this.#o.fault === "unsettled" ? { ...view, isReady: true } : view;
    const ids = this.bodies.map((_, other) => idOf(other)).filter((id) => id !== idOf(index));
    this.dispatch(index, { kind: "members", ids });
  }

  /** Nothing runs on it for a while: its datagrams wait. */
  stall(index: number, ms: number): void {
    const body = this.bodies[index]!;
    body.stalledUntil = this.now + ms;
    if (this.#o.fault === "sleepingClock") body.sleptMs += ms;
  }

  partition(sides: readonly number[]): void {
    for (const [index, side] of sides.entries()) this.bodies[index]!.side = side;
    this.sidesSince = this.now;
  }

  ask(index: number, most = 1): string {
    const claim = `${++this.#claims}`.padStart(11, "0");
    this.dispatch(index, { kind: "ask", claim, most });
    return claim;
  }

  /** Once it has said how its update went, whatever it has by then: a lease from before a restart may not have been granted again. */
  giveBack(index: number): void {
    const { lease } = this.bodies[index]!;
    if (lease) lease.isReleased = true;
    this.dispatch(index, { kind: "giveBack" });
  }

  /** Whether this member may act under a lease now, whatever it does: also one that is down is away under it. */
  holds(index: number): boolean {
    const { lease } = this.bodies[index]!;
    const untilMs = (lease?.untilMs ?? 0) + (this.#o.fault === "late" ? lateMs : 0);
    return lease !== undefined && !lease.isReleased && this.now < untilMs;
  }

  holders(): number[] {
    return [...this.bodies.keys()].filter((index) => this.holds(index));
  }

  run(ms: number): void {
    const ends = this.now + ms;
    for (let next = this.#agenda.next(ends); next; next = this.#agenda.next(ends)) {
      this.now = next.at;
      this.#happen(next.what);
    }
    this.now = ends;
  }

  runUntil(done: () => boolean, mostMs: number): number | undefined {
    const startedAt = this.now;
    while (!done()) {
      if (this.now - startedAt >= mostMs) return undefined;
      this.run(1_000);
    }
    return this.now - startedAt;
  }

  #clock(body: Body): number {
    return (this.now - body.zero) * body.rate - body.sleptMs;
  }

  #happen(what: Happening): void {
    if (what.kind === "call") what.run();
    else if (what.kind === "look") {
      for (const index of this.bodies.keys()) this.#look(index);
      this.#agenda.add(this.now + lookMs, what);
    } else {
      const index = what.kind === "tick" ? what.member : what.to;
      const body = this.bodies[index]!;
      if (!body.isUp) return;
      if (what.life !== undefined && what.life !== body.life) return;
      if (this.now < body.stalledUntil)
        this.#agenda.add(body.stalledUntil + (what.kind === "arrival" ? 1 : 0), { ...what, life: body.life });
      else if (what.kind === "tick") {
        if (body.view.dueAt <= this.#clock(body)) this.dispatch(index, { kind: "tick" });
      } else if (this.isLinked(what.from, index)) {
        this.dispatch(index, { kind: "heard", from: idOf(what.from), message: what.message });
      }
    }
  }

  isLinked(a: number, b: number): boolean {
    return this.bodies[a]!.side === this.bodies[b]!.side;
  }

  /** What SWIM would say after a while. */
  #look(index: number): void {
    const { isUp, stalledUntil } = this.bodies[index]!;
    if (!isUp || this.now < stalledUntil) return;
    const states = new Map<string, State>();
    for (const [other, { isUp: runs, stalledUntil: until }] of this.bodies.entries()) {
      const answers = runs && this.now >= until && this.isLinked(index, other);
      if (other !== index) states.set(idOf(other), answers ? "alive" : "dead");
    }
    const { liveness } = this.bodies[index]!.view;
    const isNews = [...states].some(([id, state]) => liveness.get(id)?.state !== state);
    if (isNews) this.dispatch(index, { kind: "liveness", states });
  }

  dispatch(index: number, event: Event): void {
    const body = this.bodies[index]!;
    const before = body.view.dueAt;
    this.steps++;
    const [view, effects] = step(body.view, event, this.#clock(body));
    body.view = view;
    for (const effect of effects) this.#perform(index, effect);
    this.#follow(body);
    if (view.dueAt !== before || event.kind === "tick" || event.kind === "members") {
      // A little later: fractions must not make it due a moment too early, again and again.
      const at = body.zero + (view.dueAt + body.sleptMs) / body.rate + 0.01;
      this.#agenda.add(Math.max(this.now, at), { kind: "tick", member: index, life: body.life });
    }
  }

  /** Renewals move the end of a lease. */
  #follow(body: Body): void {
    const { claim } = body.view;
    if (!body.lease || body.lease.claim !== claim?.id || claim.untilMs === undefined) return;
    const untilMs = body.zero + (claim.untilMs + body.sleptMs) / body.rate;
    body.lease.untilMs = this.#o.fault === "sleepingClock" ? untilMs : Math.max(body.lease.untilMs, untilMs);
  }

  #perform(index: number, effect: Effect): void {
    const body = this.bodies[index]!;
    switch (effect.kind) {
      case "save":
        if (this.#o.fault === "oblivious") body.disk = { ...effect.kept, held: undefined };
        else if (this.#o.fault !== "unsaved") body.disk = effect.kept;
        break;
      case "send":
        this.#post(index, effect.to, effect.message);
        break;
      case "granted":
        body.lease = { claim: effect.claim, sinceMs: this.now, untilMs: 0, isReleased: false };
        this.#follow(body);
        this.onOutcome(index, effect);
        break;
      case "denied":
      case "lost":
        this.onOutcome(index, effect);
        break;
      case "listed":
        break;
    }
  }

  #post(from: number, to: string, message: LeaseMessage): void {
    this.datagrams++;
    if (draw(this.#random) < this.#o.loss) return;
    const [least, most] = this.#o.delayMs;
    const index = this.bodies.findIndex(({ view }) => view.self === to);
    this.#agenda.add(this.now + least + draw(this.#random) * (most - least), {
      kind: "arrival",
      from,
      to: index,
      message,
    });
  }
}
