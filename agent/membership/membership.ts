// The shell around step(): one event after another, each verified first; then it signs, saves and warns, and hands on what other parts
// have to do.
import { addRevocation, noRevocations, revocationsBeyond } from "../../provisioning/trust/revocation.ts";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue } from "../../system/queue.ts";
import { warnOfDamage } from "../health/damage.ts";
import type { Warnings } from "../health/warnings.ts";
import type { Identity } from "../identity.ts";
import { overMaximum } from "./admissions.ts";
import { addAdoptions } from "./adoptions.ts";
import { holderOf } from "./names.ts";
import { waiting } from "./pending.ts";
import { perform, saving } from "./perform.ts";
import { mayRenew } from "./records.ts";
import { addRejections, lasting } from "./rejections.ts";
import type { Effect, Event, Member, Now, Pending, State, Task } from "./state.ts";
import { step } from "./step.ts";
import { type SignedFile, Store } from "./store.ts";
import { dateOf, isClockBehind } from "./trust.ts";
import {
  mostForged,
  verifyAdopted,
  verifyAgain,
  verifyKept,
  verifyRecord,
  verifyRejected,
  verifyRevocations,
  verifyVouchers,
  whole,
} from "./verify.ts";

export type MembershipOptions = {
  identity: Identity;
  stateFolder: string;
  clock: Clock;
  log: Log;
  warnings: Warnings;
  /** Where others reach this device, as `address:port`, best first. */
  endpoints?: readonly string[];
};
/** A record, and what may come with it in a hello. */
export type Introduction = {
  record: string;
  revocations?: readonly string[];
  admissions?: readonly string[] | undefined;
  /** The name by which the sender knows this device. */
  called?: string | undefined;
};
export type Outcome =
  /** `admission`: our word that we admit it, for it to carry. */
  | { kind: "member"; member: Member; isNews: boolean; admission?: string }
  | { kind: "pending" | "refused"; because: string }
  | { kind: "self" };

// A record holds at most eight.
const maxEndpoints = 8;

export class Membership {
  readonly #o: MembershipOptions;
  readonly #store: Store;
  #state: State;
  readonly #inTurn = makeQueue();
  #isStopped = false;
  #hand!: ReadableStreamDefaultController<Task>;
  /** What the other parts have to do, in order. Tasks wait here until they are read. */
  readonly tasks = new ReadableStream<Task>({
    start: (controller) => {
      this.#hand = controller;
    },
  });

  private constructor(o: MembershipOptions) {
    this.#o = o;
    this.#store = new Store(o.stateFolder);
    this.#state = {
      self: o.identity,
      own: o.identity.own,
      members: new Map(),
      pending: new Map(),
      revocations: noRevocations,
      adoptions: new Map(),
      rejections: new Map(),
      liveness: new Map(),
      disputes: new Map(),
      isWaiting: false,
      climbs: 0,
    };
  }

  /** Reads back the members that this device knew. A record that no longer verifies is left out. */
  static async open(o: MembershipOptions): Promise<Membership> {
    const membership = new Membership(o);
    await membership.#load();
    return membership;
  }

  async #load(): Promise<void> {
    const { identity, warnings, log, endpoints = identity.own.endpoints } = this.#o;
    const { damages, members, ...kept } = await this.#store.load();
    for (const damage of [...identity.damages, ...damages]) warnOfDamage(warnings, damage);
    const known = [...kept.revocations, ...(identity.provision.revocations ?? [])];
    const { revocations, forged } = await verifyRevocations(this.#state, known, this.#now().wallMs);
    if (forged[0]) log.warn(`refused ${forged.length} revocations: ${forged[0]}`);
    const adopted = await whole(kept.adoptions, (jws) => verifyAdopted(this.#state, jws));
    const rejected = await whole(kept.rejections, (jws) => verifyRejected(this.#state, jws));
    const adoptions = addAdoptions(new Map(), adopted);
    const rejections = addRejections(new Map(), rejected, this.#now().wallMs);
    const judged = await verifyKept(this.#state, { members, revocations, adoptions }, this.#now().wallMs);
    await this.#take({
      ...{ kind: "loaded", revocations, adoptions, rejections },
      ...{ records: judged, endpoints: endpoints.slice(0, maxEndpoints) },
    });
  }

  /**
   * Judges a record and keeps it if it proves a member. What comes with it counts only if the record is of this neighborhood.
   * `from`: the address that it came from, if the device itself handed it over. Never throws because of what the record says.
   */
  receive(introduction: Introduction, from?: string): Promise<Outcome> {
    return this.#inTurn(() => this.#receive(introduction, from));
  }

  /** Drops at once the members that these revocations name, and never takes them back. Resolves to true if one was new. */
  revoke(documents: readonly string[]): Promise<boolean> {
    return this.#inTurn(() => this.#revoke(documents));
  }

  /** Throws `Refusal` unless the root signed this for this neighborhood. */
  async check(kind: "adoption" | "rejection" | "revocation", jws: string): Promise<void> {
    if (kind === "adoption") await verifyAdopted(this.#state, jws);
    else if (kind === "rejection") await verifyRejected(this.#state, jws);
    else await addRevocation(this.#state.revocations, jws, this.#o.identity.neighborhood);
  }

  /**
   * Throws `file.full`, or the system's error, unless what the root has signed of this kind is on disk. It counts either way, and is
   * written once there is room.
   */
  kept(file: SignedFile): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#store.owes(file)) return;
      try {
        await this.#store.save(file, this.#state, this.#now().monotonicMs);
      } catch (cause) {
        if (!(cause instanceof HamletError)) throw cause;
        throw new HamletError(cause.code, "this order counts, but the device could not save it", {
          cause,
          hint: "free space on the device's data partition, and hand the order to another device: until it is saved, a restart forgets it",
        });
      }
    });
  }

  /** Takes the root's word that a device is in. Resolves to true if it was new; throws `Refusal`. */
  adopt(jws: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const before = this.#state.adoptions;
      await this.#take({ kind: "adoptions", adopted: [await verifyAdopted(this.#state, jws)] });
      return this.#state.adoptions !== before;
    });
  }

  /** Turns a device away that is no member. Resolves to true if that was new; throws `Refusal`. */
  reject(jws: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const before = this.#state.rejections;
      await this.#take({ kind: "rejections", rejected: [await verifyRejected(this.#state, jws)] });
      return this.#state.rejections !== before;
    });
  }

  /** Takes another name for good. Throws `name.taken`, or `file.full` with nothing changed. */
  rename(name: string): Promise<void> {
    return this.#inTurn(async () => {
      if (name === this.#state.own.name) return;
      if (holderOf(this.#state, name)) {
        throw new HamletError("name.taken", `another member is called ${name}`, {
          hint: "choose another name, or rename that one first",
          exitCode: 3,
        });
      }
      await this.#take({ kind: "rename", name }, { mustKeep: true });
    });
  }

  async setEndpoints(endpoints: readonly string[]): Promise<void> {
    await this.happen({ kind: "endpoints", endpoints: endpoints.slice(0, maxEndpoints) });
  }

  async happen(event: Event & { kind: "liveness" | "disputed" | "turnedAway" | "letIn" | "endpoints" }): Promise<void> {
    await this.#inTurn(async () => {
      await this.#judgeAgain();
      await this.#take(event);
      const { monotonicMs } = this.#now();
      await saving({ store: this.#store, warnings: this.#o.warnings }, (store) =>
        store.settle(this.#state, monotonicMs),
      );
    });
  }

  members(): ReadonlyMap<string, Member> {
    return this.#state.members;
  }

  /** Whether a newer record of this device would be taken now. */
  mayRenew(id: string): boolean {
    const known = this.#state.members.get(id);
    return !known || mayRenew(known, this.#now());
  }

  pending(): Pending[] {
    return waiting(this.#state, this.#now());
  }

  /** The ids of those that wait because too many have joined with their token. */
  overMaximum(): string[] {
    return this.pending().flatMap(({ id, because }) => (because === overMaximum ? [id] : []));
  }

  /** Whether a member said that this device waits for adoption, and no member has admitted it since. */
  isWaiting(): boolean {
    return this.#state.isWaiting;
  }

  adoptions(): State["adoptions"] {
    return this.#state.adoptions;
  }

  /** Those whose day is not over. */
  rejections(): State["rejections"] {
    return lasting(this.#state.rejections, dateOf(this.#state, this.#now().wallMs));
  }

  revocations(): State["revocations"] {
    return this.#state.revocations;
  }

  /** What a device that knows the revocations with these digests lacks. */
  revocationsBeyond(digests: readonly string[]): string[] {
    return revocationsBeyond(this.#state.revocations, digests);
  }

  /** Ends `tasks`. Later events still count, but cause no task. */
  async stop(): Promise<void> {
    await this.#inTurn(async () => {
      this.#isStopped = true;
      this.#hand.close();
      await saving({ store: this.#store, warnings: this.#o.warnings }, (store) =>
        store.flush(this.#state, this.#now().monotonicMs),
      );
    });
  }

  async #receive(
    { record: jws, revocations = [], admissions = [], called }: Introduction,
    from?: string,
  ): Promise<Outcome> {
    await this.#judgeAgain();
    const judge = () => verifyRecord(this.#state, jws, this.#now().wallMs);
    let judgement = await judge();
    if (judgement.kind !== "refused" && revocations.length > 0 && (await this.#revoke(revocations))) {
      judgement = await judge();
    }
    if (judgement.kind !== "refused" && jws === this.#o.identity.jws && from === undefined) return { kind: "self" };
    const own = judgement.kind === "member" ? verifyVouchers(this.#state, admissions, judgement.record) : [];
    const { members } = this.#state;
    const event = { kind: "record" as const, jws, judgement, admissions: own };
    const effects = await this.#take({
      ...event,
      ...(from !== undefined && { from }),
      ...(called !== undefined && { called }),
    });
    if (judgement.kind === "refused") return { kind: "refused", because: judgement.because };
    const { id } = judgement.record;
    if (id === this.#o.identity.id) return { kind: "self" };
    if (judgement.kind === "pending") {
      const waits = this.#state.pending.has(id);
      // It waits all the same, and says so: its owner may adopt it by its own page.
      return { kind: "pending", because: waits ? judgement.because : "pendingTwin" };
    }
    const member = this.#state.members.get(id)!;
    const vouching = effects.find((effect) => effect.kind === "countersign");
    const admission = vouching && this.#o.identity.admit(vouching.record, vouching.token);
    const isNews = member.record !== members.get(id)?.record;
    return { kind: "member", member, isNews, ...(admission && { admission }) };
  }

  /** Once the clock is right, nobody stays that came in only because it was behind. */
  async #judgeAgain(): Promise<void> {
    const { wallMs } = this.#now();
    if (isClockBehind(this.#state, wallMs)) return;
    for (const member of [...this.#state.members.values()].filter(({ basis }) => basis === "clock")) {
      const judgement = await verifyAgain(this.#state, member, wallMs);
      await this.#take({ kind: "judgedAgain", id: member.record.id, jws: member.jws, judgement });
    }
  }

  async #revoke(documents: readonly string[]): Promise<boolean> {
    const event = await verifyRevocations(this.#state, documents, this.#now().wallMs, mostForged);
    const isNews = event.revocations !== this.#state.revocations;
    await this.#take(event);
    return isNews;
  }

  /** `mustKeep`: throws, with nothing changed, if our own record can not be kept on disk. */
  async #take(event: Event, { mustKeep = false } = {}): Promise<Effect[]> {
    const [next, effects] = step(this.#state, event, this.#now());
    // Sign first: a part that is told of the change reads the record that says so.
    if (effects.some(({ kind }) => kind === "sign")) await this.#o.identity.sign(next.own, { mustKeep });
    this.#state = next;
    const { warnings, log } = this.#o;
    const hand = (task: Task) => !this.#isStopped && this.#hand.enqueue(task);
    for (const effect of effects) {
      await perform(effect, next, { store: this.#store, warnings, log, monotonicMs: this.#now().monotonicMs, hand });
    }
    return effects;
  }

  #now(): Now {
    return { wallMs: this.#o.clock.now(), monotonicMs: this.#o.clock.monotonic() };
  }
}
