// Reset: the device forgets neighborhood, identity, keys and settings, and is as it was flashed. The agent's wish on `data` is the
// moment of decision: before it nothing is lost, after it every boot ends what an earlier one began.
import { readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf } from "../../system/error.ts";
import type { Paths } from "./paths.ts";

/** True if this device was to be reset, and is. The wish goes last. */
export async function eraseIfWished(paths: Paths): Promise<boolean> {
  if (!(await isThere(paths.resetWish))) return false;
  // First, so that whatever stops us the device is not the one it was.
  await rm(paths.identity, { force: true });
  await empty(paths.rootFolder, []);
  await rm(paths.hostname, { force: true });
  // As the initrd calls a device that has no name; the next boot finds it so.
  await writeFile(paths.kernelHostname, "hamlet").catch(() => {});
  await empty(dirname(paths.resetWish), [basename(paths.resetWish)]);
  await rm(paths.resetWish, { force: true });
  return true;
}

/** What is in `folder` goes, the folder and its owner stay. */
async function empty(folder: string, kept: readonly string[]): Promise<void> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  });
  for (const name of names) {
    if (!kept.includes(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

const isThere = (path: string): Promise<boolean> =>
  readdir(dirname(path)).then(
    (names) => names.includes(basename(path)),
    () => false,
  );
