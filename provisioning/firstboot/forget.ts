// Forgets who a device is: overwrites and removes identity, keys and settings, root's and the agent's.
import { copyOf } from "../../system/kept.ts";
import { removeFile } from "../handover/files.ts";
import { wipe, wipeInside } from "../handover/wipe.ts";
import type { Paths } from "./paths.ts";

/** `spared`: what in root's folder tells a later boot to do this again, until the caller removes it last. */
export async function forgetDevice(paths: Paths, spared: readonly string[]): Promise<void> {
  // The identity first: whatever stops us, the device is no longer who it was.
  for (const path of [copyOf(paths.identity), paths.identity]) await wipe(path);
  // The floors stay: a reset must not open the way back to an older release.
  await wipeInside(paths.updateFolder, [paths.updateFloors, copyOf(paths.updateFloors)]);
  await wipeInside(paths.rootFolder, [...spared, paths.updateFolder]);
  await removeFile(paths.hostname);
  await removeFile(paths.timezone);
  await wipeInside(paths.agentFolder);
}
