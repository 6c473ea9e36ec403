// Carries out what the core of a rollout decides on this device: it tells the core what the rest of the agent knows, asks for the lease,
// has the updater prepare and restart, and gives this device's word. It decides nothing, and goes on after a restart in the middle.
import { isKeptAlike, keptOf, restored } from "../../ota/rollout/kept.ts";
import { type RolloutStatus, statusOf, updatingOf } from "../../ota/rollout/report.ts";
import { dueAtMs, step } from "../../ota/rollout/step.ts";
import type { Busy, Effect, Event, KnownOrder, Member, Result, View } from "../../ota/rollout/view.ts";
import { leasesAtOnce, mayRestart } from "../../ota/rollout/wait.ts";
import type { UpdateReport, UpdateRequest } from "../../provisioning/handover/update.ts";
import type { SigningKey } from "../../provisioning/trust/keys.ts";
import { signResult } from "../../provisioning/trust/result.ts";
import type { AutoRelease } from "../../provisioning/trust/rollout-policy.ts";
import { FairBucket } from "../../system/bucket.ts";
import { type Clock, every, sleep } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue } from "../../system/queue.ts";
import type { Denied, Leases } from "../cluster/leases/leases.ts";
import { mostSlots } from "../cluster/leases/terms.ts";
import { autoAfter } from "./auto.ts";
import { Claim } from "./lease.ts";
import { endedOf, type holdsOf, rootsOf, updaterOf } from "./readings.ts";
import type { Results } from "./results.ts";
import type { KeptRollouts } from "./store.ts";
import type { WarnOfRollout } from "./warn.ts";
import { minuteOfDay } from "./zone.ts";

export type RolloutsOptions = {
  self: { id: string; neighborhood: string; key: SigningKey; bootId: string };
  clock: Clock;
  log: Log;
  store: { save(kept: KeptRollouts): Promise<void> };
  kept: KeptRollouts;
  results: Results;
  trialSeconds: number;
  /** `auto`: the release that takes itself to homes without an operator. */
  orders(auto: AutoRelease | undefined): { orders: readonly KnownOrder[]; holds: ReturnType<typeof holdsOf> };
  /** This device included. */
  members(): Member[];
  leases: Pick<Leases, "ask" | "giveBack" | "voters">;
  /** Asks the others what this device has not heard yet. */
  catchUp(): Promise<void>;
  /** Tells the neighborhood of this device's word. */
  publish(id: string): void;
  /** This machine was started from a Hamlet image. */
  hasUpdater: boolean;
  updateReport(): UpdateReport | undefined;
  askUpdater(request: UpdateRequest): Promise<void>;
  rootHash(): Promise<string | undefined>;
  /** Who is at work on this device, and since when by `clock.monotonic`. */
  people(): Promise<Busy | undefined>;
  /** Since when no time server has answered, by `clock.monotonic`. */
  unsyncedSince(): Promise<number | undefined>;
  /** Its time zone; undefined if nobody has told it. */
  zone: string | undefined;
  warn: WarnOfRollout;
  /** Members began or ended to restart under a lease. */
  onUpdating(): void;
  /** How often the rest of the agent is looked at, and how to wait; tests have less time. */
  lookMs?: number;
  pause?(ms: number, signal: AbortSignal): Promise<void>;
};

const usualLookMs = 1_000;
const clockMs = 30_000;
/** So long a word needs to be everywhere: others take this device for dead otherwise. */
const tellMs = 2_000;
/** A soak that a restart interrupts loses this much at most. */
const saveMs = 10 * 60_000;

/** What another device's words may make this one write: an update needs three, and 5 MB a day are allowed in all. */
const wordSaves = { burst: 20, perSecond: 1 / (20 * 60) };

export class Rollouts {
  readonly #o: RolloutsOptions;
  readonly #claim: Claim;
  readonly #inTurn = makeQueue();
  readonly #saving = makeQueue();
  readonly #stopping = new AbortController();
  readonly #looking: { stop(): void };
  #view: View;
  #auto: AutoRelease | undefined;
  #savedAt: number;
  /** The save that has yet to begin. */
  #nextSave: Promise<boolean> | undefined;
  /** A word has come that no save was begun for. */
  #isOwing = false;
  readonly #wordSaves = new FairBucket({ perSource: wordSaves, maxSources: 4_096 });
  #toldClockAt = Number.NEGATIVE_INFINITY;
  #dueAt: number | undefined;
  #shown = { members: "", updater: "", updating: "", people: "" };

  constructor(o: RolloutsOptions) {
    this.#o = o;
    const now = o.clock.monotonic();
    this.#savedAt = now;
    this.#auto = o.kept.auto;
    this.#view = restored(o.kept.view, o.self.id, o.trialSeconds, now);
    this.#claim = new Claim(o.leases, (ms) => this.#pause(ms).catch(() => {}));
    // First those that were read from disk: where the rest of that file was lost, they are all that is left.
    o.results.listen(({ v: _, neighborhood: __, bootId: ___, number: said, ...result }) => {
      this.#happen({ kind: "result", result: { ...result, said } });
    });
    this.#tellAgain();
    // A restart under a lease is over only once this device has said how it went.
    if (this.#view.own.step === "away") void this.#claim.resume(1).catch(this.#complain);
    this.#looking = every(o.lookMs ?? usualLookMs, () => this.#look(), this.#complain);
  }

  /** Power may have failed after this device's word was on disk, and before the word was signed. */
  #tellAgain(): void {
    const said = this.#view.results.get(this.#o.self.id);
    if (said === undefined || said.said <= this.#o.results.numberOf(said.device)) return;
    const { heardAtMs: _, ...result } = said;
    void this.#inTurn(() => this.#publish(result)).catch(this.#complain);
  }

  readonly #pause = (ms: number) => (this.#o.pause ?? sleep)(ms, this.#stopping.signal);
  readonly #complain = (error: unknown) => this.#o.log.warn(describeError(error));

  /** Undefined while no operator has ordered a rollout, and no release brings one. */
  status(): RolloutStatus | undefined {
    return statusOf(this.#view, this.#o.clock.monotonic());
  }

  /** Every device that takes part has the release. */
  isDone(rollout: string): boolean {
    return this.#view.progress.get(rollout)?.isFinished === true;
  }

  /** Until when each member that restarts under a lease may be away, in ms since 1970. */
  updating(): ReadonlyMap<string, number> {
    const { clock } = this.#o;
    const toEpoch = clock.now() - clock.monotonic();
    return new Map([...updatingOf(this.#view, clock.monotonic())].map(([id, untilMs]) => [id, untilMs + toEpoch]));
  }

  /** What operators have ordered has changed. */
  ordersChanged(): void {
    this.#happen({ kind: "orders", ...this.#o.orders(this.#auto) });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#looking.stop();
    this.#o.results.listen(() => {});
    await this.#save();
  }

  /** Tells the core what has changed since the last look. */
  async #look(): Promise<void> {
    const { clock, members, updateReport, hasUpdater, people, unsyncedSince, zone } = this.#o;
    const now = clock.monotonic();
    if (now - this.#toldClockAt >= clockMs) {
      const minute = minuteOfDay(clock.now());
      const unsyncedSinceMs = await unsyncedSince();
      this.#toldClockAt = now;
      this.#happen({ kind: "clock", moment: { atMs: now, wallMs: clock.now(), minute, unsyncedSinceMs, zone } });
      this.ordersChanged();
    }
    const all = members();
    // An absence is measured anew each time, so that it differs by a few milliseconds.
    const seen = JSON.stringify(all.map(({ absentSinceMs, ...rest }) => [rest, absentSinceMs !== undefined]));
    if (this.#isNew("members", seen)) this.#happen({ kind: "members", members: all });
    const busy = await people();
    if (this.#isNew("people", JSON.stringify(busy) ?? "")) this.#happen({ kind: "busy", busy });
    const report = updateReport();
    await this.#learnOf(report);
    const updater = updaterOf(report, hasUpdater);
    const ended = endedOf(report);
    const roots = rootsOf(report);
    if (this.#isNew("updater", JSON.stringify([updater, ended, roots])))
      this.#happen({ kind: "updater", updater, ended, roots });
    if (this.#dueAt !== undefined && now >= this.#dueAt) this.#happen({ kind: "tick" });
    const isDue = this.#isOwing || this.#view.orders.length > 0;
    if (isDue && now - this.#savedAt >= saveMs) await this.#save();
  }

  /** On disk before it counts: the updater knows of it again only some time after a restart. */
  async #learnOf(report: UpdateReport | undefined): Promise<void> {
    const before = this.#auto;
    this.#auto = autoAfter(report, before);
    if (this.#auto === before) return;
    if (await this.#save()) this.ordersChanged();
    else this.#auto = before;
  }

  #isNew(what: "members" | "updater" | "updating" | "people", text: string): boolean {
    if (this.#shown[what] === text) return false;
    this.#shown[what] = text;
    return true;
  }

  #happen(event: Event): void {
    if (this.#stopping.signal.aborted) return;
    const now = this.#o.clock.monotonic();
    const before = this.#view;
    const [view, effects] = step(before, event, now);
    this.#view = view;
    this.#dueAt = dueAtMs(view, now);
    const isSaved = isKeptAlike(view, before) || (effects.length === 0 && this.#mayWait(event, now));
    const saved = isSaved ? undefined : this.#save();
    for (const effect of effects) void this.#inTurn(() => this.#perform(effect, saved)).catch(this.#complain);
    this.#o.warn(statusOf(view, now));
    if (this.#isNew("updating", [...updatingOf(view, now).keys()].join())) this.#o.onUpdating();
  }

  /** Another device has given so many words that this one is saved with whatever is saved next. */
  #mayWait(event: Event, now: number): boolean {
    if (event.kind !== "result" || event.result.device === this.#o.self.id) return false;
    const mayWait = !this.#wordSaves.admits({ key: event.result.device, network: "local" }, now);
    this.#isOwing ||= mayWait;
    return mayWait;
  }

  async #perform(effect: Effect, saved: Promise<boolean> | undefined): Promise<void> {
    // What this device says and does is on disk first: after a restart it must know.
    const isKept = (await saved) ?? true;
    const { askUpdater, log } = this.#o;
    switch (effect.kind) {
      case "prepare":
        log.info(`the rollout wants ${effect.release} prepared`);
        return void askUpdater({ kind: "prepare", version: effect.release }).catch(this.#complain);
      case "askLease":
        return void this.#ask().catch(this.#complain);
      case "releaseLease":
        return void this.#claim.release().catch(this.#complain);
      case "publish":
        return this.#publish(effect.result);
      case "restart":
        // It would not know afterwards that it had begun. Unasked, its updater stays, and after a while the device says so and tries again.
        if (!isKept) return this.#claim.release();
        log.info(`restarting into ${effect.release} under the lease`);
        await this.#pause(tellMs);
        if (!this.#claim.isHeld(this.#o.clock.monotonic())) {
          log.warn("the lease ended before the restart, which has to wait for another one");
          return this.#happen({ kind: "unasked" });
        }
        if (!mayRestart(this.#view, this.#o.clock.monotonic())) {
          log.info("something has come in the way of the restart");
          return this.#happen({ kind: "unasked" });
        }
        return void askUpdater({ kind: "restart", version: effect.release }).catch(this.#complain);
    }
  }

  async #ask(): Promise<void> {
    const most = () => Math.min(mostSlots, leasesAtOnce(this.#view, this.#o.clock.monotonic()));
    const answer = await this.#claim.ask(most(), () => this.#happen({ kind: "leaseLost" })).catch(this.#complain);
    if (!answer) return this.#denied({ by: "noMajority" });
    if (answer.kind === "granted") {
      // An order or a failure that has not come here yet must count before this device restarts.
      await this.#o.catchUp().catch(this.#complain);
      await this.#pause(tellMs);
      const isOver = this.#o.clock.monotonic() >= answer.untilMonotonicMs;
      if (!isOver && answer.slot < most()) return this.#happen({ kind: "granted" });
      // It has ended meanwhile, or somebody has gone away since it asked: others who ask by now count that, and this lease is one too many.
      await this.#claim.release();
      return this.#denied({ by: isOver ? "noMajority" : "held" });
    }
    this.#denied(answer);
  }

  #denied({ by, holder, awaits, untilMs: untilWallMs }: Omit<Denied, "kind">): void {
    const { clock, leases, members } = this.#o;
    const isAway = new Set(members().flatMap(({ id, absentSinceMs }) => (absentSinceMs === undefined ? [] : [id])));
    const silent = by === "noMajority" ? leases.voters().filter((id) => isAway.has(id)) : [];
    const awaited = awaits === undefined ? silent : [awaits];
    this.#happen({
      ...{ kind: "denied", by },
      ...(awaited.length > 0 && { awaits: awaited }),
      ...(holder !== undefined && { holder }),
      ...(untilWallMs !== undefined && { untilMs: untilWallMs - clock.now() + clock.monotonic() }),
    });
  }

  async #publish({ said: number, device, ...word }: Result): Promise<void> {
    const { self, results, publish, rootHash, log } = this.#o;
    const { check, trialSeconds, rootHash: _, ...rest } = word;
    const hash = await rootHash();
    const jws = await signResult(
      {
        ...{ v: 1, neighborhood: self.neighborhood, device, number, bootId: self.bootId, ...rest },
        ...(check !== undefined && { check }),
        ...(trialSeconds !== undefined && { trialSeconds }),
        ...(hash !== undefined && { rootHash: hash }),
      },
      self.key,
    );
    log.info(`rollout ${word.rollout}: ${word.outcome}${check === undefined ? "" : ` (${check})`}`);
    await results.take(jws);
    await this.#save();
    publish(device);
  }

  /** Whether it is on disk now. Whoever comes while another save waits for its turn is served by that. */
  #save(): Promise<boolean> {
    this.#nextSave ??= this.#saving(async () => {
      this.#nextSave = undefined;
      this.#isOwing = false;
      const now = this.#o.clock.monotonic();
      this.#savedAt = now;
      const view = keptOf(this.#view, now);
      await this.#o.store.save({ view, results: this.#o.results.documents(), auto: this.#auto });
    }).then(
      () => true,
      (error) => {
        this.#complain(error);
        return false;
      },
    );
    return this.#nextSave;
  }
}
