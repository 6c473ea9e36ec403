// Ends a trial that its updater has not judged in time: one that does not start, or hangs.
import type { BootControl, Slot } from "../../image/boot/boot-control.ts";
import type { TrialRecord } from "../../image/boot/trial-record.ts";
import { conclude } from "./conclude.ts";
import type { Armed, HandMade } from "./state.ts";

/** `record`: boot control's own, which is there although the updater's is lost. */
type Records = { armed: Armed | undefined; handMade: HandMade | undefined; record: TrialRecord | undefined };

/**
 * Whether the device goes back. A trial that a person began is left to that person. Boot control is asked only in the slot that was to be
 * tried: what fails here restarts the device, and the old slot must stay up even beside a damaged boot partition.
 */
export async function endUnjudged(
  { control, slot, bootId }: { control: BootControl; slot: Slot; bootId: string },
  { armed, handMade, record }: Records,
): Promise<boolean> {
  const isOpen = record && record.phase !== "kept" && record.phase !== "bad";
  const tried = armed?.to.slot ?? (isOpen ? record.slot : undefined);
  if (tried !== slot) return false;
  const { kind } = conclude(await control.current(), armed, { bootId, handMade });
  if (kind !== "trying" && kind !== "lost") return false;
  await control.markBad();
  await control.reboot();
  return true;
}
