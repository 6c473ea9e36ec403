// What became of the last trial, seen from the system that runs now.
// Pure.
import type { BootState, Slot } from "../../image/boot/boot-control.ts";
import type { Confirmation, UpdateEnd } from "../../provisioning/handover/update.ts";
import { type CheckCode, checks } from "./checks.ts";
import type { Armed, HandMade, History, Leaving, Wanted } from "./state.ts";

export type Conclusion =
  /** Nothing was armed by the updater. */
  | { kind: "none" }
  /** A slot is on trial that a person wrote and staged: the person judges it. */
  | { kind: "handMade" }
  /** This boot is the trial. */
  | { kind: "trying"; armed: Armed }
  /** Everything was verified in this boot, only the restart is missing. */
  | { kind: "restart"; armed: Armed }
  /** The trial was never staged: the slot is verified again first. */
  | { kind: "notArmed" }
  /** It was staged in an earlier boot and not started, or nobody knows by whom: it must not start before it is verified again. */
  | { kind: "stale" }
  /** This boot is a trial, and its record is lost: nobody can judge it. */
  | { kind: "lost"; version: string }
  | { kind: "committed"; armed: Armed }
  | { kind: "failed"; armed: Armed; check: CheckCode }
  | { kind: "void"; armed: Armed; check: CheckCode };

/** `hasPanicked`: a start of the slot that was tried ended in a panic. */
type Known = { bootId: string; handMade?: HandMade | undefined; hasPanicked?: boolean };

export function conclude(
  boot: BootState,
  armed: Armed | undefined,
  { bootId, handMade, hasPanicked }: Known,
): Conclusion {
  const foreign = (slot: Slot): Conclusion | undefined => (handMade?.slot === slot ? { kind: "handMade" } : undefined);
  if (!armed) {
    if (boot.phase === "trying") return foreign(boot.slot) ?? { kind: "lost", version: boot.version };
    if (boot.phase === "armed") return foreign(boot.trial.slot) ?? { kind: "stale" };
    return { kind: "none" };
  }
  const { to } = armed;
  const isNew = boot.slot === to.slot && boot.version === to.version;
  switch (boot.phase) {
    case "trying":
      return isNew ? { kind: "trying", armed } : (foreign(boot.slot) ?? { kind: "lost", version: boot.version });
    case "settled":
      return isNew ? { kind: "committed", armed } : { kind: "notArmed" };
    case "armed": {
      const isOurs = boot.trial.slot === to.slot && boot.trial.version === to.version;
      if (isOurs && armed.bootId === bootId) return { kind: "restart", armed };
      return foreign(boot.trial.slot) ? { kind: "notArmed" } : { kind: "stale" };
    }
    case "left":
      // Whoever asked for that wants no trial.
      return { kind: "notArmed" };
    case "reverted":
      if (hasPanicked && boot.because !== "markedBad") return { kind: "failed", armed, check: "trial.panicked" };
      switch (boot.because) {
        case "markedBad":
          return { kind: "failed", armed, check: "trial.ended" };
        case "triesUsedUp":
          return { kind: "void", armed, check: "trial.ended" };
        case "neverBooted":
          return { kind: "void", armed, check: "trial.neverStarted" };
      }
  }
}

export type Return =
  | { kind: "none" }
  /** The other slot is the default, only the restart is missing. */
  | { kind: "restart" }
  /** Power failed before anything had changed: whoever asked can ask again. */
  | { kind: "notDone" }
  | { kind: "arrived"; leaving: Leaving };

/** What became of the request to go back. */
export function concludeReturn(boot: BootState, leaving: Leaving | undefined): Return {
  if (!leaving) return { kind: "none" };
  if (boot.phase === "left") return { kind: "restart" };
  return boot.slot === leaving.to.slot && boot.version === leaving.to.version
    ? { kind: "arrived", leaving }
    : { kind: "notDone" };
}

export const endOfReturn = ({ from, to, atMs }: Leaving): UpdateEnd => ({
  ...{ atMs, from: from.version, to: to.version },
  outcome: "left",
});

const maxEnds = 20;
const maxFailed = 16;
/** Logs are the bulk of the history. */
const maxLogs = 3;

/** Adds how an update ended. Adding it again changes nothing: power may fail between this and the next step. */
export function withEnd(history: History, end: UpdateEnd): History {
  if (history.ends.some((one) => one.atMs === end.atMs && one.to === end.to)) return history;
  let logs = 0;
  const ends = [end, ...history.ends].slice(0, maxEnds).map((one) => {
    if (one.log && ++logs > maxLogs) {
      const { log: _, ...rest } = one;
      return rest;
    }
    return one;
  });
  const failed = history.failed.filter((version) => version !== end.to);
  if (end.outcome === "failed") failed.unshift(end.to);
  if (end.outcome === "left") failed.unshift(end.from);
  // Its disk may be whole: the release itself panics, and installing it again would come to the same.
  if (end.outcome === "rescued" && end.check === "slot.panics") failed.unshift(end.from);
  const isAsIntended = end.outcome === "committed" || end.outcome === "left";
  return { ends, failed: [...new Set(failed)].slice(0, maxFailed), isSeen: isAsIntended };
}

/** `armed.atMs` names the trial. */
export const endOf = (
  armed: Armed,
  outcome: UpdateEnd["outcome"],
  {
    check,
    log,
    confirmations = [],
  }: { check?: CheckCode | undefined; log?: string[] | undefined; confirmations?: Confirmation[] } = {},
): UpdateEnd => ({
  atMs: armed.atMs,
  from: armed.from.version,
  to: armed.to.version,
  outcome,
  ...(check && { check, message: checks[check] }),
  ...(armed.alive.length === 0 ? { isAlone: true } : armed.witnesses === undefined && { isUnwitnessed: true }),
  ...(confirmations.length > 0 && { witnesses: confirmations }),
  ...(log && { log }),
});

/** How often a trial without a verdict is repeated before the release counts as failed, and how long that waits. */
export const voidPausesMs = [10 * 60_000, 60 * 60_000, 6 * 60 * 60_000];

/** The wish after a trial that ended without a verdict; undefined if the release has had its chances. */
export function afterVoid(wanted: Wanted | undefined, version: string): Wanted | undefined {
  const before = wanted?.voids?.version === version ? wanted.voids.count : 0;
  return before < voidPausesMs.length ? { ...wanted, voids: { version, count: before + 1 } } : undefined;
}
