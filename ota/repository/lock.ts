// One command at a time writes to a publisher's folder: two would give one version of metadata two contents.
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, HamletError } from "../../system/error.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { metadataPath, type Repository, readUnfinished } from "./folder.ts";

/** Runs `work` on the newest metadata: another command may have written since it was opened. Throws `ota.busy`. */
export async function locked<T>(repository: Repository, work: () => Promise<T>): Promise<T> {
  return await withLock(repository.folder, async () => {
    const { current, root } = await readUnfinished(repository.folder);
    if (root) await writeFileAtomic(metadataPath(repository.folder, root.name), root.bytes, { mode: 0o644 });
    Object.assign(repository.current, current);
    return await work();
  });
}

export async function withLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const path = join(folder, "lock");
  await take(path, folder);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string, folder: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await using file = await open(path, "wx", 0o644);
      await file.writeFile(String(process.pid));
      return;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      if (await isHeld(path)) break;
      // Its process is gone, killed or by a power cut.
      await rm(path, { force: true });
    }
  }
  throw new HamletError("ota.busy", `another command writes to ${folder}`, {
    hint: `wait until it ends; if none runs, on no computer: rm ${path}`,
    exitCode: 3,
  });
}

async function isHeld(path: string): Promise<boolean> {
  const pid = Number(await readFile(path, "utf8").catch(() => ""));
  // Empty: it is being written.
  if (!Number.isInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== "ESRCH";
  }
}
