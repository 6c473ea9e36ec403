// Reset: the device forgets neighborhood, identity, keys and settings, and is as it was flashed. The owner's request, in root's own folder,
// is the moment of decision: before it nothing is lost, after it every boot ends what an earlier one began.
import { copyOf } from "../../system/kept.ts";
import { removeFile } from "../handover/files.ts";
import { isResetRequested } from "../handover/requests.ts";
import { wipe, wipeInside } from "../handover/wipe.ts";
import { setKernelHostname } from "./machine.ts";
import type { Paths } from "./paths.ts";

/** True if this device was to be reset, and is. The request goes last. Throws `handover.refused` for one that is not root's. */
export async function resetIfRequested(paths: Paths): Promise<boolean> {
  if (!(await isResetRequested(paths.resetRequest))) return false;
  // First, so that whatever stops us the device is not the one it was.
  for (const path of [copyOf(paths.identity), paths.identity]) await wipe(path);
  await wipeInside(paths.rootFolder, [paths.resetRequest]);
  await removeFile(paths.hostname);
  // As the initrd calls a device that has no name; the next boot finds it so.
  await setKernelHostname(paths, "hamlet").catch(() => {});
  await wipeInside(paths.agentFolder);
  await removeFile(paths.resetRequest);
  return true;
}
