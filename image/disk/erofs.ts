// Reads an erofs root filesystem inside an image, without mounting it: names, kinds, sizes, and the bytes of files that
// are not compressed. Every number comes from an untrusted disk, so each walk has a limit, and nothing outside the filesystem
// is read.
// Linux, fs/erofs/erofs_fs.h.
import { HamletError } from "../../system/error.ts";
import { readErofsSuperblock, superblockBytes, superblockOffset } from "./erofs-superblock.ts";
import { type ReadAt, readExtents } from "./read-at.ts";

export type ErofsEntry = {
  /** From the root, without a leading slash; the root itself is "". */
  path: string;
  kind: "file" | "folder" | "link" | "other";
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  /** Pieces of the content, in order; undefined if it is compressed or lies outside the filesystem. */
  extents: { offset: number; length: number }[] | undefined;
};
export type Erofs = { sizeBytes: number; rootNid: number; blockBytes: number; metaOffset: number; start: number };

/** Enough for a folder of 16,000 long names. */
const maxFolderBytes = 4 << 20;
/** Linux, limits.h and erofs_fs.h. */
const pathMax = 4096;
const nameMax = 255;
/** Limits of one walk; a Debian desktop has 300,000 names with 20 million characters. Folders may share blocks, so a small disk can pretend to have many names. */
const walkLimits = { names: 500_000, pathChars: 64 << 20, folderBytes: 64 << 20 };

/** The filesystem at byte `start`, or undefined if there is none. */
export async function openErofs(readAt: ReadAt, start: number): Promise<Erofs | undefined> {
  const superblock = readErofsSuperblock(await readAt(start + superblockOffset, superblockBytes));
  if (!superblock) return undefined;
  const { blockBytes, rootNid, sizeBytes, metaBlock } = superblock;
  return { start, blockBytes, rootNid, sizeBytes, metaOffset: start + metaBlock * blockBytes };
}

/**
 * All entries, a folder before its content, names in byte order; skips invalid ones. Throws `image.damaged` for more than any
 * system has.
 */
export async function* walkErofs(readAt: ReadAt, volume: Erofs): AsyncGenerator<ErofsEntry> {
  const left = { ...walkLimits };
  const spend = (what: keyof typeof left, count: number) => {
    left[what] -= count;
    if (left[what] >= 0) return;
    throw new HamletError("image.damaged", "the root filesystem has impossibly many names: its folders repeat", {
      hint: "do not start this image; download it again from its publisher",
    });
  };
  const seen = new Set<number>();
  const waiting: { path: string; nid: number }[] = [{ path: "", nid: volume.rootNid }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const entry = await readInode(readAt, volume, next.nid, next.path);
    if (!entry) continue;
    yield entry;
    // A file may have several names, but a folder has one: a second would be a cycle.
    if (entry.kind !== "folder" || seen.has(next.nid)) continue;
    seen.add(next.nid);
    spend("folderBytes", Math.min(entry.sizeBytes, maxFolderBytes));
    const inside = await readFolder(readAt, volume, entry);
    spend("names", inside.length);
    for (const { name, nid } of inside.reverse()) {
      const path = next.path ? `${next.path}/${name}` : name;
      spend("pathChars", path.length);
      if (path.length < pathMax) waiting.push({ path, nid });
    }
  }
}

/** The bytes of the file at `path`, or undefined if it is missing, compressed or longer than `maxBytes`. */
export async function readErofsFile(
  readAt: ReadAt,
  volume: Erofs,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  let entry = await readInode(readAt, volume, volume.rootNid, "");
  for (const word of path.split("/")) {
    if (entry?.kind !== "folder") return undefined;
    const found = (await readFolder(readAt, volume, entry)).find(({ name }) => name === word);
    entry = found && (await readInode(readAt, volume, found.nid, word));
  }
  return entry?.kind === "file" ? await contentOf(readAt, entry, maxBytes) : undefined;
}

export async function contentOf(readAt: ReadAt, entry: ErofsEntry, maxBytes: number): Promise<Buffer | undefined> {
  if (!entry.extents || entry.sizeBytes > maxBytes) return undefined;
  const content = await readExtents(readAt, entry.extents);
  return content.length === entry.sizeBytes ? content : undefined;
}

const kinds = new Map<number, ErofsEntry["kind"]>([
  [0o040000, "folder"],
  [0o100000, "file"],
  [0o120000, "link"],
]);

async function readInode(readAt: ReadAt, volume: Erofs, nid: number, path: string): Promise<ErofsEntry | undefined> {
  const offset = volume.metaOffset + nid * 32;
  const inode = await readAt(offset, 64);
  if (inode.length < 64) return undefined;
  const format = inode.readUInt16LE(0);
  const isExtended = (format & 1) === 1;
  const attributes = inode.readUInt16LE(2);
  const mode = inode.readUInt16LE(4);
  const sizeBytes = isExtended ? Number(inode.readBigUInt64LE(8)) : inode.readUInt32LE(8);
  const owner = isExtended
    ? { uid: inode.readUInt32LE(24), gid: inode.readUInt32LE(28) }
    : { uid: inode.readUInt16LE(24), gid: inode.readUInt16LE(26) };
  const kind = kinds.get(mode & 0o170000) ?? "other";
  // The last piece of a file may follow its inode and extended attributes.
  const tail = offset + (isExtended ? 64 : 32) + (attributes === 0 ? 0 : 12 + 4 * (attributes - 1));
  const first = volume.start + inode.readUInt32LE(16) * volume.blockBytes;
  const layout = (format >> 1) & 7;
  const inline = layout === 2 ? sizeBytes % volume.blockBytes : 0;
  const extents = [
    { offset: first, length: sizeBytes - inline },
    { offset: tail, length: inline },
  ].filter(({ length }) => length > 0);
  const end = volume.start + volume.sizeBytes;
  const isFlat = (layout === 0 || layout === 2) && extents.every(({ offset, length }) => offset + length <= end);
  return { path, kind, mode, ...owner, sizeBytes, extents: kind === "other" ? [] : isFlat ? extents : undefined };
}

async function readFolder(readAt: ReadAt, volume: Erofs, folder: ErofsEntry): Promise<{ name: string; nid: number }[]> {
  const content = (await contentOf(readAt, folder, maxFolderBytes)) ?? Buffer.alloc(0);
  const found: { name: string; nid: number }[] = [];
  for (let at = 0; at + 12 <= content.length; at += volume.blockBytes) {
    const block = content.subarray(at, at + volume.blockBytes);
    // Entries of 12 bytes, then their names; the offset of the first name gives their number.
    const namesAt = block.readUInt16LE(8);
    for (let entry = 0; entry + 12 <= namesAt && entry + 12 <= block.length; entry += 12) {
      const from = block.readUInt16LE(entry + 8);
      const to = entry + 24 <= namesAt && entry + 24 <= block.length ? block.readUInt16LE(entry + 20) : block.length;
      // One byte more, to see the end: the last name of a block ends at a zero.
      const bytes = block.subarray(from, Math.min(to, from + nameMax + 1));
      const end = bytes.indexOf(0);
      if (end < 0 && bytes.length > nameMax) continue;
      const name = bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
      if (name !== "" && name !== "." && name !== ".." && !name.includes("/")) {
        found.push({ name, nid: Number(block.readBigUInt64LE(entry)) });
      }
    }
  }
  return found;
}
