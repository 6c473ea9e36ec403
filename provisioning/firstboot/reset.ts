// Resets a device to the state in which it was flashed. The owner's request in root's folder is the point of no return: before it nothing
// is lost, and after it every boot finishes what an earlier one began.
import { removeFile } from "../handover/files.ts";
import { isResetRequested } from "../handover/requests.ts";
import { forgetDevice } from "./forget.ts";
import { setKernelHostname } from "./machine.ts";
import type { Paths } from "./paths.ts";

/** True if a reset was requested, and is done. Throws `handover.refused` for a request that is not root's. */
export async function resetIfRequested(paths: Paths): Promise<boolean> {
  if (!(await isResetRequested(paths.resetRequest))) return false;
  await forgetDevice(paths, [paths.resetRequest]);
  // The initrd gives this name to a device that has none.
  await setKernelHostname(paths, "hamlet").catch(() => {});
  await removeFile(paths.resetRequest);
  return true;
}
