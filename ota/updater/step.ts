// What the updater does next.
// Pure: events come in, the new phase and effects for updater.ts go out. Times are monotonic ms.
import type { UpdateTrouble } from "../../provisioning/handover/update.ts";
import { backoffMs } from "../../system/retry.ts";
import { asked, begin, beginNext, checking, more, versionOf } from "./asked.ts";
import type { Effect, Event, Life, Wished } from "./life.ts";

export type Pace = { checkEveryMs: number };
/** From a minute up to an hour. */
const pauses = { firstMs: 60_000, longestMs: 60 * 60_000 };
/**
 * The owner's settings forbid the update for now, which is no failure. A window may be half an hour; what is too dear needs a look at its
 * recipe each time, which costs bytes too.
 */
const costPausesMs: Record<string, number> = {
  "update.outsideWindow": 10 * 60_000,
  "update.metered": 60 * 60_000,
  "update.tooDear": 6 * 60 * 60_000,
};

export type Moment = { now: number; random: number };

export function step(life: Life, event: Event, pace: Pace, moment: Moment): [Life, Effect[]] {
  switch (event.kind) {
    case "tick":
      return tick(life, moment.now);
    case "asked":
      return asked(life, event.request);
    case "found":
      return found(life, event, pace, moment);
    case "failed":
      return failed(life, event, pace, moment);
    case "installed":
      if (life.phase !== "installing") return [life, []];
      return life.wish === "prepare" ? readyWith(life.release, pace, moment) : restarting(life.release);
    case "prepared":
      if (life.phase !== "idle") return [life, []];
      if (event.isVerified) return readyWith(event.release, pace, moment);
      return [{ phase: "verifying", release: event.release }, [{ kind: "verify" }]];
    case "verified":
      if (life.phase !== "verifying") return [life, []];
      if (life.next) return beginNext(readyWith(life.release, pace, moment)[0], life.next);
      return life.asked
        ? begin(readyWith(life.release, pace, moment)[0], life.asked, [])
        : readyWith(life.release, pace, moment);
  }
}

/** When `tick` is due; undefined while something else must happen first. */
export function dueAtMs(life: Life): number | undefined {
  switch (life.phase) {
    case "idle":
    case "ready":
    case "refused":
      return life.checkAtMs;
    case "waiting":
      return life.againAtMs;
    case "checking":
    case "installing":
    case "verifying":
    case "restarting":
    case "returning":
    case "trying":
    case "doubting":
      return undefined;
  }
}

const restarting = (release: string): [Life, Effect[]] => [{ phase: "restarting", release }, [{ kind: "restart" }]];

const readyWith = (release: string, pace: Pace, moment: Moment, because?: UpdateTrouble): [Life, Effect[]] => [
  { phase: "ready", release, checkAtMs: nextCheckMs(pace, moment), ...(because && { because }) },
  [],
];

function tick(life: Life, now: number): [Life, Effect[]] {
  const due = dueAtMs(life);
  if (due === undefined || now < due) return [life, []];
  if (life.phase === "waiting") return checking(life, life.failures);
  return checking({ wish: "look" }, 0, life.phase === "ready" ? life.release : undefined);
}

/** Devices that were switched on together do not ask together. */
const nextCheckMs = ({ checkEveryMs }: Pace, { now, random }: Moment): number =>
  now + checkEveryMs * (0.75 + random / 2);

/** What a device does that waits for nothing but the next check. */
const atRest = ({ ready }: { ready?: string }, pace: Pace, moment: Moment, because?: UpdateTrouble): Life =>
  ready === undefined
    ? { phase: "idle", checkAtMs: nextCheckMs(pace, moment) }
    : readyWith(ready, pace, moment, because)[0];

function found(
  life: Life,
  { release, named, refusal }: Extract<Event, { kind: "found" }>,
  pace: Pace,
  moment: Moment,
): [Life, Effect[]] {
  if (life.phase !== "checking") return [life, []];
  const { failures, ready } = life;
  if (life.next) return beginNext(atRest(life, pace, moment), life.next);
  if (life.wish === "look") return [atRest(life, pace, moment), []];
  // Somebody asked for another one meanwhile.
  if (named !== life.version) return checking(life, failures, ready);
  const over: Effect[] = [{ kind: "want", isWanted: false }];
  const checkAtMs = nextCheckMs(pace, moment);
  // Whoever named a release hears why it is not installed; nobody else is told that there is nothing new.
  if (refusal?.code === "update.notNewer" && named === undefined) return [{ phase: "idle", checkAtMs }, over];
  if (refusal) return [{ phase: "refused", because: refusal, checkAtMs, release }, over];
  if (release === ready) return life.wish === "prepare" ? readyWith(release, pace, moment) : restarting(release);
  return [{ phase: "installing", wish: life.wish, ...versionOf(life), release, failures }, [{ kind: "install" }]];
}

function failed(
  life: Life,
  { trouble, isFinal, hasAdvanced }: Extract<Event, { kind: "failed" }>,
  pace: Pace,
  moment: Moment,
): [Life, Effect[]] {
  switch (life.phase) {
    case "returning":
      return [{ phase: "refused", because: trouble, checkAtMs: nextCheckMs(pace, moment) }, []];
    case "verifying":
      return checking(more({ wish: "prepare", version: life.release }, life.asked ?? { wish: "look" }));
    case "checking":
      if (life.next) return beginNext(atRest(life, pace, moment), life.next);
      if (life.ready !== undefined && life.wish !== "install" && !isFinal) {
        return [atRest(life, pace, moment, life.wish === "prepare" ? trouble : undefined), []];
      }
      break;
    case "restarting":
      if (!life.wasReady) break;
      // What boot control refuses is not as it was when it was verified.
      return trouble.code.startsWith("boot.")
        ? checking({ wish: "prepare", version: life.release })
        : readyWith(life.release, pace, moment, trouble);
    case "installing":
      break;
    case "idle":
    case "ready":
    case "waiting":
    case "refused":
    case "trying":
    case "doubting":
      return [life, []];
  }
  const wished: Wished = life.phase === "restarting" ? { wish: "install" } : { wish: life.wish, ...versionOf(life) };
  const release = life.phase === "checking" ? {} : { release: life.release };
  if (isFinal) {
    const refused: Life = { phase: "refused", because: trouble, checkAtMs: nextCheckMs(pace, moment), ...release };
    return [refused, wished.wish === "look" ? [] : [{ kind: "want", isWanted: false }]];
  }
  const costPauseMs = costPausesMs[trouble.code];
  if (costPauseMs !== undefined) {
    const againAtMs = moment.now + costPauseMs * (0.75 + moment.random / 2);
    return [{ phase: "waiting", ...wished, because: trouble, failures: 0, againAtMs, ...release }, []];
  }
  const before = life.phase === "restarting" || hasAdvanced ? 0 : life.failures;
  const againAtMs = moment.now + backoffMs(pauses, before, moment.random);
  return [{ phase: "waiting", ...wished, because: trouble, failures: before + 1, againAtMs, ...release }, []];
}
