// Derives the state of this boot from the kernels' names, the loader and the trial record.
// Pure.
import type { BootState, RollbackReason, Slot } from "../boot-control.ts";
import { reasonOfRecord, type TrialRecord } from "../trial-record.ts";
import { compareVersions } from "../versions.ts";
import { type Entry, isBlessed } from "./entries.ts";

type EntryFacts = {
  running: { slot: Slot; version: string };
  /** Of the entry that the loader counted for this boot. */
  countedStem: string | undefined;
  entries: Entry[];
  record: TrialRecord | undefined;
  bootId: string;
  tries: number;
};

export function judgeEntries({ running, countedStem, entries, record, bootId, tries }: EntryFacts): BootState {
  const ours = entries.filter(({ slot, stem }) => slot === running.slot && stem === countedStem);
  const counted = ours.find(({ triesLeft }) => triesLeft !== undefined);
  if (counted && !ours.some(isBlessed)) {
    const isMarkedBad = record?.slot === running.slot && record.phase === "bad";
    return { ...running, phase: "trying", triesLeft: counted.triesLeft ?? 0, isMarkedBad };
  }
  // A rename that power cut off has lost the counter of a trial. Nobody has committed it, so it is judged like any other.
  const uncounted = entries.filter((one) => one.slot === running.slot && isBlessed(one));
  const isUnjudged = record?.slot === running.slot && record.version === running.version;
  if (isUnjudged && uncounted.length > 0 && uncounted.every((one) => one.isShort)) {
    return { ...running, phase: "trying", triesLeft: 0, isMarkedBad: record.phase === "bad" };
  }
  const settled: BootState = { ...running, phase: "settled" };
  const others = entries.filter(({ slot }) => slot !== undefined && slot !== running.slot);
  const noted = record?.slot === running.slot ? undefined : record;
  const trial = others.find(({ triesLeft }) => triesLeft !== undefined);
  const reverted = (slot: Slot, version: string, because: RollbackReason): BootState => ({
    ...running,
    phase: "reverted",
    trial: { slot, version },
    because,
  });
  if (!trial?.slot) {
    const next = earlierEntry(entries, running);
    if (next && uncounted.length === 0)
      return { ...running, phase: "left", next: { slot: next.slot, version: next.version } };
    // Only the record is left, its entry is gone: report the trial only if it was requested.
    const because = noted && noted.phase !== "staged" && others.length === 0 ? reasonOfRecord(noted) : undefined;
    return noted && because ? reverted(noted.slot, noted.version, because) : settled;
  }
  const isAskedFor = noted?.phase === "requested" && noted.bootId !== bootId;
  if (isAskedFor && trial.triesDone === 0 && trial.triesLeft !== 0)
    return reverted(trial.slot, trial.version, "neverBooted");
  // A kernel that was marked bad no longer starts, even if power failed before its name said so.
  if (trial.triesLeft && noted?.phase !== "bad") {
    const { slot, version, triesLeft } = trial;
    return { ...running, phase: "armed", trial: { slot, version }, triesLeft };
  }
  const isBad = noted?.phase === "bad" || trial.triesDone < tries;
  return reverted(trial.slot, trial.version, isBad ? "markedBad" : "triesUsedUp");
}

/** The kernel of the other slot that the loader would start if the running slot had none: it was good, and is older. */
export function earlierEntry(
  entries: readonly Entry[],
  running: { slot: Slot; version: string },
): (Entry & { slot: Slot }) | undefined {
  const others = entries.flatMap((one) =>
    one.slot !== undefined && one.slot !== running.slot ? [{ ...one, slot: one.slot }] : [],
  );
  const [newest] = others.toSorted((a, b) => -compareVersions(a.version, b.version));
  return newest && isBlessed(newest) && compareVersions(newest.version, running.version) < 0 ? newest : undefined;
}
