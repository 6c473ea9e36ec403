// Reset: the device forgets neighborhood, identity, keys and settings, and is as it was flashed. The owner's wish, in root's own folder,
// is the moment of decision: before it nothing is lost, after it every boot ends what an earlier one began.
import { z } from "zod";
import { copyOf } from "../../system/kept.ts";
import { readWish, removeFile } from "../handover/files.ts";
import { setKernelHostname } from "./machine.ts";
import type { Paths } from "./paths.ts";
import { isThere, wipe, wipeInside } from "./wipe.ts";

/** True if this device was to be reset, and is. The wish goes last. Throws `handover.refused` for one that is not root's. */
export async function eraseIfWished(paths: Paths): Promise<boolean> {
  if (!(await isThere(paths.resetWish))) return false;
  // Its being there says all; a power cut may have left nothing in it.
  await readWish(paths.resetWish, z.unknown());
  // First, so that whatever stops us the device is not the one it was.
  for (const path of [copyOf(paths.identity), paths.identity]) await wipe(path);
  await wipeInside(paths.rootFolder, [paths.resetWish]);
  await removeFile(paths.hostname);
  // As the initrd calls a device that has no name; the next boot finds it so.
  await setKernelHostname(paths, "hamlet").catch(() => {});
  await wipeInside(paths.agentFolder);
  await removeFile(paths.resetWish);
  return true;
}
