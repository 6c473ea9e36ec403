// Takes secrets away for good, as well as a medium lets us: overwritten in place, then removed.
// Against who reads the partition later this does what removing does not: the bytes are gone from the sectors that held them.
// On flash memory it is no more than that. A card or SSD writes the zeros to other cells and keeps the old ones, out of our reach, until
// it needs them; who takes the chip out may find them. Nor does it reach what was there before: an earlier version of a file that was
// replaced by rename, a snapshot, a copy-on-write file system. Whoever has to be sure destroys the medium, or revokes what was on it.
import { constants } from "node:fs";
import { lstat, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../system/error.ts";

const pieceBytes = 256 << 10;

/** A file, or a folder with all that is in it. A link goes, what it points to stays. */
export async function wipe(path: string): Promise<void> {
  const kind = await lstat(path).catch(ifGone);
  if (!kind) return;
  if (kind.isDirectory()) await wipeInside(path);
  // A medium that refuses the zeros must not keep the file for that.
  else if (kind.isFile()) await overwrite(path).catch(() => {});
  await rm(path, { recursive: true, force: true });
}

/** What is in `folder` goes, the folder and its owner stay, and so do the paths in `kept`. */
export async function wipeInside(folder: string, kept: readonly string[] = []): Promise<void> {
  for (const name of (await readdir(folder).catch(ifGone)) ?? []) {
    const path = join(folder, name);
    if (!kept.includes(path)) await wipe(path);
  }
}

export const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

async function overwrite(path: string): Promise<void> {
  // Not through a link: the agent owns one of these folders, and this is root.
  const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size, nlink } = await file.stat();
    // Under another name it is somebody else's too.
    if (nlink > 1) return;
    const zeros = Buffer.alloc(Math.min(size, pieceBytes));
    for (let at = 0; at < size; at += pieceBytes) {
      await file.write(zeros, 0, Math.min(pieceBytes, size - at), at);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

function ifGone(error: unknown): undefined {
  if (errnoOf(error) !== "ENOENT") throw error;
}
