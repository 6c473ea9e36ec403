// From the firmware's word, `autoboot.txt` and our own record to what this boot is.
// Pure.
import { type BootState, otherSlot, type Slot } from "../boot-control.ts";
import { reasonOfRecord, type TrialRecord } from "../trial-record.ts";

type TrybootFacts = {
  running: { slot: Slot; version: string };
  isTryboot: boolean;
  /** The slot that `autoboot.txt` starts; undefined if it is damaged. */
  byItself: Slot | undefined;
  record: TrialRecord | undefined;
  bootId: string;
};

export function judgeTryboot({ running, isTryboot, byItself, record, bootId }: TrybootFacts): BootState {
  const { slot } = running;
  // With a damaged sector only the record can tell a trial from a slot that was committed in this boot.
  const isTrying = isTryboot && (byItself === undefined ? record?.slot === slot : byItself !== slot);
  if (isTrying) {
    const isMarkedBad = record?.slot === slot && record.phase === "bad";
    return { ...running, phase: "trying", triesLeft: 0, isMarkedBad };
  }
  if (record?.slot !== otherSlot(slot)) return { ...running, phase: "settled" };
  const trial = { slot: record.slot, version: record.version };
  const isPending = record.phase === "staged" || (record.phase === "requested" && record.bootId === bootId);
  if (isPending) return { ...running, phase: "armed", trial, triesLeft: 1 };
  return { ...running, phase: "reverted", trial, because: reasonOfRecord(record) };
}
