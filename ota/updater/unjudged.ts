// Ends a trial that its updater has not judged in time: one that does not start, or hangs.
import type { BootControl, Slot } from "../../image/boot/boot-control.ts";
import { conclude } from "./conclude.ts";
import type { Armed } from "./state.ts";

/**
 * Whether the device goes back. A trial that a person began is left to that person. Boot control is asked only in the slot that was to be
 * tried: what fails here restarts the device, and the old slot must stay up even beside a damaged boot partition.
 */
export async function endUnjudged(
  { control, slot, bootId }: { control: BootControl; slot: Slot; bootId: string },
  armed: Armed | undefined,
): Promise<boolean> {
  if (armed?.to.slot !== slot) return false;
  if (conclude(await control.current(), armed, bootId).kind !== "trying") return false;
  await control.markBad();
  await control.reboot();
  return true;
}
