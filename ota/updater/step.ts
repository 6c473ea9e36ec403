// What the updater does next.
// Pure: events come in, the new phase and effects for updater.ts go out. Times are monotonic ms.
import type { UpdateRequest, UpdateTrouble } from "../../provisioning/handover/update.ts";
import { backoffMs } from "../../system/retry.ts";

/** What somebody asked for during a check, which comes first: to go back, or to install from a folder. */
type Next = "back" | "folder";
/** look: find out what the newest release is. install: install it too. */
export type Wish = "look" | "install";
export type Life =
  | { phase: "idle"; checkAtMs: number }
  | { phase: "checking"; wish: Wish; failures: number; next?: Next }
  | { phase: "installing"; release: string; failures: number }
  | { phase: "restarting"; release: string }
  /** Verifies the release in the other slot, and restarts into it: `to`, once it is verified. */
  | { phase: "returning"; to?: string }
  /** A failure that passes by itself. */
  | { phase: "waiting"; wish: Wish; because: UpdateTrouble; failures: number; againAtMs: number; release?: string }
  /** A refusal: only a newer release or a person changes it. */
  | { phase: "refused"; because: UpdateTrouble; checkAtMs: number; release?: string }
  | { phase: "trying"; release: string }
  /** The release before is back, and looks for the members that its successor missed. */
  | { phase: "doubting"; release: string; because: UpdateTrouble; untilMs: number };

export type Event =
  | { kind: "tick" }
  | { kind: "asked"; request: UpdateRequest }
  | { kind: "found"; release: string; refusal?: UpdateTrouble }
  /** `isFinal`: trying again would change nothing. `hasAdvanced`: something was written since the last failure. */
  | { kind: "failed"; trouble: UpdateTrouble; isFinal: boolean; hasAdvanced: boolean }
  | { kind: "installed" };

export type Effect =
  /** In the folder that somebody named, or where the last check looked. */
  | { kind: "check"; in?: "folder" }
  | { kind: "install" }
  | { kind: "restart" }
  | { kind: "goBack" }
  /** Remember over a restart that somebody wants an installation, or that it is over. */
  | { kind: "want"; isWanted: boolean }
  | { kind: "forgetFailures" }
  | { kind: "acknowledge" };

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
      return life.phase === "installing"
        ? [{ phase: "restarting", release: life.release }, [{ kind: "restart" }]]
        : [life, []];
  }
}

/** When `tick` is due; undefined while something else must happen first. */
export function dueAtMs(life: Life): number | undefined {
  switch (life.phase) {
    case "idle":
    case "refused":
      return life.checkAtMs;
    case "waiting":
      return life.againAtMs;
    case "checking":
    case "installing":
    case "restarting":
    case "returning":
    case "trying":
    case "doubting":
      return undefined;
  }
}

const checking = (wish: Wish, failures = 0): [Life, Effect[]] => [
  { phase: "checking", wish, failures },
  [{ kind: "check" }],
];

function tick(life: Life, now: number): [Life, Effect[]] {
  const due = dueAtMs(life);
  if (due === undefined || now < due) return [life, []];
  return life.phase === "waiting" ? checking(life.wish, life.failures) : checking("look");
}

function asked(life: Life, request: UpdateRequest): [Life, Effect[]] {
  switch (request.kind) {
    case "seen":
      return [life, [{ kind: "acknowledge" }]];
    case "check":
      return begin(life, "look", []);
    case "now":
      return begin(life, "install", [{ kind: "want", isWanted: true }]);
    case "retry":
      return begin(life, "install", [{ kind: "forgetFailures" }, { kind: "want", isWanted: true }]);
    case "back":
    case "install":
      return beginNext(life, request.kind === "back" ? "back" : "folder");
  }
}

/** Ends what waits: whoever goes back or comes with a folder wants nothing else. */
function beginNext(life: Life, next: Next): [Life, Effect[]] {
  switch (life.phase) {
    case "checking":
      return [{ ...life, next }, []];
    case "installing":
    case "restarting":
    case "returning":
    case "trying":
    case "doubting":
      return [life, []];
    case "idle":
    case "refused":
    case "waiting":
      return next === "back"
        ? [{ phase: "returning" }, [{ kind: "want", isWanted: false }, { kind: "goBack" }]]
        : [{ phase: "checking", wish: "install", failures: 0 }, [{ kind: "check", in: "folder" }]];
  }
}

function begin(life: Life, wish: Wish, before: Effect[]): [Life, Effect[]] {
  switch (life.phase) {
    case "checking":
      return [{ ...life, wish: wish === "install" ? wish : life.wish }, before];
    case "installing":
    case "restarting":
    case "returning":
    case "trying":
    case "doubting":
      return [life, []];
    case "idle":
    case "refused":
    case "waiting": {
      const wanted = life.phase === "waiting" && life.wish === "install" ? "install" : wish;
      const [next, effects] = checking(wanted);
      return [next, [...before, ...effects]];
    }
  }
}

/** Devices that were switched on together do not ask together. */
const nextCheckMs = ({ checkEveryMs }: Pace, { now, random }: Moment): number =>
  now + checkEveryMs * (0.75 + random / 2);

function found(
  life: Life,
  { release, refusal }: Extract<Event, { kind: "found" }>,
  pace: Pace,
  moment: Moment,
): [Life, Effect[]] {
  if (life.phase !== "checking") return [life, []];
  const checkAtMs = nextCheckMs(pace, moment);
  if (life.next) return beginNext({ phase: "idle", checkAtMs }, life.next);
  if (life.wish === "look") return [{ phase: "idle", checkAtMs }, []];
  if (!refusal) return [{ phase: "installing", release, failures: life.failures }, [{ kind: "install" }]];
  const over: Effect[] = [{ kind: "want", isWanted: false }];
  if (refusal.code === "update.notNewer") return [{ phase: "idle", checkAtMs }, over];
  return [{ phase: "refused", because: refusal, checkAtMs, release }, over];
}

function failed(
  life: Life,
  { trouble, isFinal, hasAdvanced }: Extract<Event, { kind: "failed" }>,
  pace: Pace,
  moment: Moment,
): [Life, Effect[]] {
  if (life.phase === "returning") {
    return [{ phase: "refused", because: trouble, checkAtMs: nextCheckMs(pace, moment) }, []];
  }
  if (life.phase !== "checking" && life.phase !== "installing" && life.phase !== "restarting") return [life, []];
  if (life.phase === "checking" && life.next) {
    return beginNext({ phase: "idle", checkAtMs: nextCheckMs(pace, moment) }, life.next);
  }
  const wish = life.phase === "checking" ? life.wish : "install";
  const release = life.phase === "checking" ? {} : { release: life.release };
  if (isFinal) {
    const refused: Life = { phase: "refused", because: trouble, checkAtMs: nextCheckMs(pace, moment), ...release };
    return [refused, wish === "install" ? [{ kind: "want", isWanted: false }] : []];
  }
  const costPauseMs = costPausesMs[trouble.code];
  if (costPauseMs !== undefined) {
    const againAtMs = moment.now + costPauseMs * (0.75 + moment.random / 2);
    return [{ phase: "waiting", wish, because: trouble, failures: 0, againAtMs, ...release }, []];
  }
  const before = life.phase === "restarting" || hasAdvanced ? 0 : life.failures;
  const againAtMs = moment.now + backoffMs(pauses, before, moment.random);
  return [{ phase: "waiting", wish, because: trouble, failures: before + 1, againAtMs, ...release }, []];
}
