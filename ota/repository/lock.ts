// One command at a time writes to a publisher's folder: two would give one version of metadata two contents.
import { join } from "node:path";
import { HamletError } from "../../system/error.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { withLock } from "../../system/lock.ts";
import { readIfThere } from "./files.ts";
import { metadataPath, type Repository, readUnfinished } from "./folder.ts";
import { decodeDocument } from "./metadata.ts";
import { periodMs } from "./roles.ts";

/** Runs `work` on the newest metadata: another command may have written since it was opened. Throws `ota.busy` or `ota.clockBehind`. */
export async function locked<T>(repository: Repository, now: number, work: () => Promise<T>): Promise<T> {
  return await lockedFolder(repository.folder, async () => {
    await refuseEarly(repository.folder, now);
    const { current, root } = await readUnfinished(repository.folder, repository.anchor);
    if (root) await writeFileAtomic(metadataPath(repository.folder, root.name), root.bytes, { mode: 0o644 });
    Object.assign(repository.current, current);
    return await work();
  });
}

/** The first root stays as it is, so that nobody whose clock was ahead keeps the others out. */
async function refuseEarly(folder: string, now: number): Promise<void> {
  const path = metadataPath(folder, "1.root.json");
  const bytes = await readIfThere(path);
  const madeMs = bytes ? Date.parse(decodeDocument("root", bytes, path).signed.expires) - periodMs("root") : 0;
  if (now >= madeMs - dayMs) return;
  throw new HamletError("ota.clockBehind", `this computer's clock shows ${isoDay(now)}, before ${folder} was made`, {
    hint: "set the clock: what is signed now would have expired before a device sees it",
    exitCode: 3,
  });
}

const dayMs = 86_400_000;
const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

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
