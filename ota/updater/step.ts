// What the updater does next.
// Pure: events come in, the new phase and effects for life.ts go out. Times are monotonic ms.
import type { UpdateRequest, UpdateTrouble } from "../../provisioning/handover/update.ts";
import { backoffMs } from "../../system/retry.ts";

/** look: find out what the newest release is. install: install it too. */
export type Wish = "look" | "install";
export type Life =
  | { phase: "idle"; checkAtMs: number }
  | { phase: "checking"; wish: Wish; failures: number }
  | { phase: "installing"; release: string; failures: number }
  | { phase: "restarting"; release: string }
  /** A failure that passes by itself. */
  | { phase: "waiting"; wish: Wish; because: UpdateTrouble; failures: number; againAtMs: number; release?: string }
  /** A refusal: only a newer release or a person changes it. */
  | { phase: "refused"; because: UpdateTrouble; checkAtMs: number; release?: string }
  | { phase: "trying"; release: string };

export type Event =
  | { kind: "tick" }
  | { kind: "asked"; request: UpdateRequest }
  | { kind: "found"; release: string; refusal?: UpdateTrouble }
  /** `isFinal`: trying again would change nothing. `hasAdvanced`: something was written since the last failure. */
  | { kind: "failed"; trouble: UpdateTrouble; isFinal: boolean; hasAdvanced: boolean }
  | { kind: "installed" };

export type Effect =
  | { kind: "check" }
  | { kind: "install" }
  | { kind: "restart" }
  /** Remember over a restart that somebody wants an installation, or that it is over. */
  | { kind: "want"; isWanted: boolean }
  | { kind: "forgetFailures" }
  | { kind: "acknowledge" };

export type Pace = { checkEveryMs: number };
/** From a minute up to an hour. */
const pauses = { firstMs: 60_000, longestMs: 60 * 60_000 };

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
    case "trying":
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
      return [life, []];
  }
}

function begin(life: Life, wish: Wish, before: Effect[]): [Life, Effect[]] {
  switch (life.phase) {
    case "checking":
      return [{ ...life, wish: wish === "install" ? wish : life.wish }, before];
    case "installing":
    case "restarting":
    case "trying":
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
  if (life.phase !== "checking" && life.phase !== "installing" && life.phase !== "restarting") return [life, []];
  const wish = life.phase === "checking" ? life.wish : "install";
  const release = life.phase === "checking" ? {} : { release: life.release };
  if (isFinal) {
    const refused: Life = { phase: "refused", because: trouble, checkAtMs: nextCheckMs(pace, moment), ...release };
    return [refused, wish === "install" ? [{ kind: "want", isWanted: false }] : []];
  }
  const before = life.phase === "restarting" || hasAdvanced ? 0 : life.failures;
  const againAtMs = moment.now + backoffMs(pauses, before, moment.random);
  return [{ phase: "waiting", wish, because: trouble, failures: before + 1, againAtMs, ...release }, []];
}
