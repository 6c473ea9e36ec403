// Reset: the device forgets neighborhood, identity, keys and settings, and is as it was flashed. The agent's wish on `data` is the
// moment of decision: before it nothing is lost, after it every boot ends what an earlier one began.
import { rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Paths } from "./paths.ts";
import { isThere, wipe, wipeInside } from "./wipe.ts";

/** True if this device was to be reset, and is. The wish goes last. */
export async function eraseIfWished(paths: Paths): Promise<boolean> {
  if (!(await isThere(paths.resetWish))) return false;
  // First, so that whatever stops us the device is not the one it was.
  await wipe(paths.identity);
  await wipeInside(paths.rootFolder);
  await rm(paths.hostname, { force: true });
  // As the initrd calls a device that has no name; the next boot finds it so.
  await writeFile(paths.kernelHostname, "hamlet").catch(() => {});
  await wipeInside(dirname(paths.resetWish), [paths.resetWish]);
  await rm(paths.resetWish, { force: true });
  return true;
}
