// Takes secrets away for good, as well as a medium lets us: overwritten in place, then removed.
// Against who reads the partition later this does what removing does not: the bytes are gone from the sectors that held them.
// On flash memory it is no more than that. A card or SSD writes the zeros to other cells and keeps the old ones, out of our reach, until
// it needs them; who takes the chip out may find them. Nor does it reach what was there before: an earlier version of a file that was
// replaced by rename, a snapshot, a copy-on-write file system. Whoever has to be sure destroys the medium, or revokes what was on it.
import { basename, dirname, join } from "node:path";
import { Folder } from "./folder.ts";

/** No secret of ours is a hundredth as long. What is longer, or more, was put there to keep us busy: it goes without zeros. */
const mostBytes = { aFile: 4 << 20, inAll: 64 << 20 };

/** A file, or a folder with all that is in it. A link goes, what it points to stays. */
export async function wipe(path: string): Promise<void> {
  await using folder = await Folder.open(dirname(path));
  await folder?.remove(basename(path), blanking());
}

/** What is in `path` goes, the folder and its owner stay, and so do the paths in `kept`. */
export async function wipeInside(path: string, kept: readonly string[] = []): Promise<void> {
  await using folder = await Folder.open(path);
  if (!folder) return;
  const blank = blanking();
  for await (const { name } of folder.entries()) {
    if (!kept.includes(join(path, name))) await folder.remove(name, blank);
  }
}

/** For `Folder.remove`: zeros over each file before it goes. */
export function blanking(): (folder: Folder, name: string) => Promise<void> {
  let left = mostBytes.inAll;
  return async (folder, name) => {
    // A medium that refuses the zeros must not keep the file for that.
    left -= await folder.blank(name, Math.min(left, mostBytes.aFile)).catch(() => 0);
  };
}
