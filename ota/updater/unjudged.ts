// Ends a trial that its updater has not judged in time: one that does not start, or hangs.
import type { BootControl } from "../../image/boot/boot-control.ts";
import { conclude } from "./conclude.ts";
import type { Armed } from "./state.ts";

/** Whether the device goes back. A trial that a person began is left to that person. */
export async function endUnjudged(control: BootControl, armed: Armed | undefined, bootId: string): Promise<boolean> {
  if (conclude(await control.current(), armed, bootId).kind !== "trying") return false;
  await control.markBad();
  await control.reboot();
  return true;
}
