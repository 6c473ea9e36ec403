// One command at a time writes to a publisher's folder: two would give one version of metadata two contents.
import { join } from "node:path";
import { HamletError } from "../../system/error.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { withLock } from "../../system/lock.ts";
import { metadataPath, type Repository, readUnfinished } from "./folder.ts";

/** Runs `work` on the newest metadata: another command may have written since it was opened. Throws `ota.busy`. */
export async function locked<T>(repository: Repository, work: () => Promise<T>): Promise<T> {
  return await lockedFolder(repository.folder, async () => {
    const { current, root } = await readUnfinished(repository.folder);
    if (root) await writeFileAtomic(metadataPath(repository.folder, root.name), root.bytes, { mode: 0o644 });
    Object.assign(repository.current, current);
    return await work();
  });
}

/** Throws `ota.busy`. */
export async function lockedFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const path = join(folder, "lock");
  const busy = () =>
    new HamletError("ota.busy", `another command writes to ${folder}`, {
      hint: `wait until it ends; if none runs, on no computer: rm ${path}`,
      exitCode: 3,
    });
  return await withLock(path, { waitMs: 0, busy }, work);
}
