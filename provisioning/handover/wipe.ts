// Destroys secrets as far as a medium allows: overwrites them in place, then removes them.
// Unlike mere removal this protects against anyone who reads the partition later, because the sectors no longer hold the bytes.
// Flash memory sets a limit: a card or SSD writes the zeros to other cells and keeps the old ones until it needs them, so somebody who
// takes the chip out may find them. It does not reach earlier versions either: a file that was replaced by rename, a snapshot, a
// copy-on-write file system. To be sure, destroy the medium, or revoke what was on it.
import { basename, dirname, join } from "node:path";
import { Folder } from "./folder.ts";

/** Far above any secret of ours. Anything beyond was put there to keep us busy, and is removed without zeros. */
const mostBytes = { aFile: 4 << 20, inAll: 64 << 20 };

/** Wipes a file, or a folder with its content. Removes a link, not its target. */
export async function wipe(path: string): Promise<void> {
  await using folder = await Folder.open(dirname(path));
  await folder?.remove(basename(path), blanking());
}

/** Wipes the content of a folder, except the paths in `kept`; the folder itself and its owner stay. */
export async function wipeInside(path: string, kept: readonly string[] = []): Promise<void> {
  await using folder = await Folder.open(path);
  if (!folder) return;
  const blank = blanking();
  for await (const { name } of folder.entries()) {
    if (!kept.includes(join(path, name))) await folder.remove(name, blank);
  }
}

/** For `Folder.remove`: overwrites each file with zeros before it is removed. */
export function blanking(): (folder: Folder, name: string) => Promise<void> {
  let left = mostBytes.inAll;
  return async (folder, name) => {
    // Remove the file even if the medium refuses the zeros.
    left -= await folder.blank(name, Math.min(left, mostBytes.aFile)).catch(() => 0);
  };
}
