// Derives the state of this boot from the firmware, `autoboot.txt` and the trial record.
// Pure.
import { type BootState, otherSlot, type Slot } from "../boot-control.ts";
import { reasonOfRecord, type TrialRecord } from "../trial-record.ts";

type TrybootFacts = {
  running: { slot: Slot; version: string };
  isTryboot: boolean;
  /** The default slot of `autoboot.txt`; undefined if the file is damaged. */
  byItself: Slot | undefined;
  record: TrialRecord | undefined;
  bootId: string;
};

export function judgeTryboot({ running, isTryboot, byItself, record, bootId }: TrybootFacts): BootState {
  const { slot } = running;
  if (record?.phase === "kept" && record.slot === slot && byItself === otherSlot(slot) && record.from !== undefined) {
    return { ...running, phase: "left", next: { slot: byItself, version: record.from } };
  }
  // If the sector is damaged, only the record can tell a trial from a slot that was committed in this boot.
  // Without the flag the firmware may have started it too, for want of a sector that reads: nobody has judged it yet.
  const isUnjudged = record?.slot === slot && !["kept", "bad"].includes(record.phase);
  const isOnTrial = isTryboot && (byItself === undefined ? record?.slot === slot : byItself !== slot);
  const isTrying = isOnTrial || (byItself !== slot && isUnjudged);
  if (isTrying) {
    const isMarkedBad = record?.slot === slot && record.phase === "bad";
    return { ...running, phase: "trying", triesLeft: 0, isMarkedBad };
  }
  if (record?.slot !== otherSlot(slot)) return { ...running, phase: "settled" };
  const trial = { slot: record.slot, version: record.version };
  const because = reasonOfRecord(record);
  if (!because) return { ...running, phase: "settled" };
  const isPending = record.phase === "staged" || (record.phase === "requested" && record.bootId === bootId);
  if (isPending) return { ...running, phase: "armed", trial, triesLeft: 1 };
  return { ...running, phase: "reverted", trial, because };
}
