// Finds a file in a FAT16 or FAT32 filesystem and the place of its bytes on the disk. Read-only. Every number comes from an
// untrusted disk, so each walk has a limit, and a chain with a loop is rejected.
// Microsoft, "FAT32 File System Specification" 1.03.
import { type ReadAt, readExtents } from "./read-at.ts";

/** `extents`: the places of the file's bytes on the disk, in order. */
export type FoundFile = { sizeBytes: number; extents: { offset: number; length: number }[] };

/** Enough for 8,000 names; our folders have a handful. */
const maxFolderBytes = 256 << 10;

/** The file at `path` (`hamlet/image.json`) in the FAT at byte `start`, or undefined if there is none or it is longer than `maxBytes`. */
export async function findFatFile(
  readAt: ReadAt,
  start: number,
  path: string,
  maxBytes: number,
): Promise<FoundFile | undefined> {
  const volume = await readVolume(readAt, start);
  const entry = volume && (await walk(readAt, volume, path));
  if (!volume || !entry || entry.isFolder || entry.sizeBytes > maxBytes) return undefined;
  const clusters = Math.ceil(entry.sizeBytes / volume.clusterBytes);
  const chain = clusters === 0 ? [] : await chainOf(readAt, volume, entry.cluster, clusters);
  if (chain?.length !== clusters) return undefined;
  return { sizeBytes: entry.sizeBytes, extents: extentsOf(volume, chain, entry.sizeBytes) };
}

/** Whether the file `path` exists, of any size. */
export async function hasFatFile(readAt: ReadAt, start: number, path: string): Promise<boolean> {
  const volume = await readVolume(readAt, start);
  const entry = volume && (await walk(readAt, volume, path));
  return entry !== undefined && !entry.isFolder;
}

/** The bytes of the file at `path`, or undefined if there is none or it is longer than `maxBytes`. */
export async function readFatFile(
  readAt: ReadAt,
  start: number,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const found = await findFatFile(readAt, start, path, maxBytes);
  const bytes = found && (await readExtents(readAt, found.extents));
  return bytes?.length === found?.sizeBytes ? bytes : undefined;
}

/** The names in the folder at `path` ("" is the root), or undefined if there is no such folder. */
export async function listFatFolder(readAt: ReadAt, start: number, path: string): Promise<string[] | undefined> {
  const volume = await readVolume(readAt, start);
  const entry = volume && (await walk(readAt, volume, path));
  const bytes = volume && entry?.isFolder ? await readFolder(readAt, volume, entry.cluster) : undefined;
  return bytes && [...entriesOf(bytes)].map(({ long, short }) => long || short).filter((name) => !/^\.\.?$/.test(name));
}

async function walk(readAt: ReadAt, volume: Volume, path: string): Promise<NameEntry | undefined> {
  let entry: NameEntry = { long: "", short: "", isFolder: true, cluster: 0, sizeBytes: 0 };
  for (const word of path.split("/").filter(Boolean)) {
    const bytes = entry.isFolder ? await readFolder(readAt, volume, entry.cluster) : undefined;
    // FAT ignores case.
    const found = [...entriesOf(bytes ?? Buffer.alloc(0))].find(({ long, short }) =>
      [long, short].some((name) => name.toLowerCase() === word.toLowerCase()),
    );
    if (!found) return undefined;
    entry = found;
  }
  return entry;
}

type Volume = {
  clusterBytes: number;
  fatOffset: number;
  fatBytes: number;
  /** Bytes of an entry of the table: 2 in FAT16, 4 in FAT32. */
  entryBytes: 2 | 4;
  dataOffset: number;
  /** FAT16 keeps its root folder in one place before the clusters, FAT32 in a chain like any other. */
  root: { offset: number; length: number } | { cluster: number };
};

async function readVolume(readAt: ReadAt, start: number): Promise<Volume | undefined> {
  const boot = await readAt(start, 512);
  if (boot.length < 512 || boot.readUInt16LE(510) !== 0xaa55) return undefined;
  const sectorBytes = boot.readUInt16LE(11);
  const clusterSectors = boot.readUInt8(13);
  if (sectorBytes !== 512 || clusterSectors === 0) return undefined;
  const rootEntries = boot.readUInt16LE(17);
  const smallFat = boot.readUInt16LE(22);
  const isFat16 = smallFat > 0;
  const fatSectors = isFat16 ? smallFat : boot.readUInt32LE(36);
  if (fatSectors === 0 || isFat16 !== rootEntries > 0) return undefined;
  const fatOffset = start + boot.readUInt16LE(14) * sectorBytes;
  const afterFats = fatOffset + boot.readUInt8(16) * fatSectors * sectorBytes;
  const rootBytes = Math.ceil((rootEntries * 32) / sectorBytes) * sectorBytes;
  return {
    clusterBytes: clusterSectors * sectorBytes,
    fatOffset,
    fatBytes: fatSectors * sectorBytes,
    entryBytes: isFat16 ? 2 : 4,
    dataOffset: afterFats + rootBytes,
    root: isFat16 ? { offset: afterFats, length: rootBytes } : { cluster: boot.readUInt32LE(44) },
  };
}

const offsetOf = (volume: Volume, cluster: number) => volume.dataOffset + (cluster - 2) * volume.clusterBytes;

/** The table is read in pieces: a kernel's chain has thousands of entries, most of them adjacent. */
const pieceBytes = 4096;
/** A file of 256 MiB in one-sector clusters needs 512 pieces; a chain that jumps at each step is given up. */
const maxPieces = 4096;

/** The clusters of a chain, at most `limit`; undefined if it is longer, leaves the table or has a loop. */
async function chainOf(readAt: ReadAt, volume: Volume, first: number, limit: number): Promise<number[] | undefined> {
  const { entryBytes, fatOffset, fatBytes } = volume;
  const endOfChain = entryBytes === 2 ? 0xfff8 : 0x0ffffff8;
  const chain = new Set<number>();
  let piece: Buffer = Buffer.alloc(0);
  let pieceAt = -1;
  let pieces = 0;
  let cluster = first;
  while (cluster < endOfChain) {
    const isOutside = cluster < 2 || (cluster + 1) * entryBytes > fatBytes;
    if (isOutside || chain.size === limit || chain.has(cluster)) return undefined;
    chain.add(cluster);
    const at = cluster * entryBytes;
    const wanted = at - (at % pieceBytes);
    if (wanted !== pieceAt) {
      if (++pieces > maxPieces) return undefined;
      piece = await readAt(fatOffset + wanted, Math.min(pieceBytes, fatBytes - wanted));
      pieceAt = wanted;
    }
    if (piece.length < at - wanted + entryBytes) return undefined;
    cluster = entryBytes === 2 ? piece.readUInt16LE(at - wanted) : piece.readUInt32LE(at - wanted) & 0x0fffffff;
  }
  return [...chain];
}

/** Cluster 0 stands for the root folder. */
async function readFolder(readAt: ReadAt, volume: Volume, cluster: number): Promise<Buffer | undefined> {
  if (cluster === 0 && "offset" in volume.root) return readAt(volume.root.offset, volume.root.length);
  const first = cluster === 0 && "cluster" in volume.root ? volume.root.cluster : cluster;
  const chain = await chainOf(readAt, volume, first, Math.ceil(maxFolderBytes / volume.clusterBytes));
  return chain && (await readExtents(readAt, extentsOf(volume, chain, chain.length * volume.clusterBytes)));
}

/** Joins adjacent clusters into one extent. */
function extentsOf(volume: Volume, chain: readonly number[], sizeBytes: number): FoundFile["extents"] {
  const extents: FoundFile["extents"] = [];
  for (const [index, cluster] of chain.entries()) {
    const length = Math.min(volume.clusterBytes, sizeBytes - index * volume.clusterBytes);
    const previous = extents.at(-1);
    const offset = offsetOf(volume, cluster);
    if (previous && previous.offset + previous.length === offset) previous.length += length;
    else extents.push({ offset, length });
  }
  return extents;
}

type NameEntry = { long: string; short: string; isFolder: boolean; cluster: number; sizeBytes: number };

function* entriesOf(folder: Buffer): Generator<NameEntry> {
  let long = "";
  for (let at = 0; at + 32 <= folder.length; at += 32) {
    const entry = folder.subarray(at, at + 32);
    const attributes = entry.readUInt8(11);
    if (entry[0] === 0) return;
    if (entry[0] === 0xe5) {
      long = "";
    } else if ((attributes & 0x3f) === 0x0f) {
      // Long names come in pieces of 13, the last piece first.
      const piece = Buffer.concat([entry.subarray(1, 11), entry.subarray(14, 26), entry.subarray(28, 32)]);
      const text = piece.toString("utf16le").replace(/\0.*$/s, "");
      long = entry[0]! & 0x40 ? text : text + long;
    } else {
      // A short name is in capitals; two bits mark lower case (as Windows NT and mtools write them).
      const cased = (text: string, bit: number) => (entry.readUInt8(12) & bit ? text.toLowerCase() : text);
      const base = cased(entry.toString("latin1", 0, 8).trimEnd(), 0x08);
      const extension = cased(entry.toString("latin1", 8, 11).trimEnd(), 0x10);
      const isLabel = (attributes & 0x08) !== 0;
      if (!isLabel) {
        yield {
          long,
          short: extension ? `${base}.${extension}` : base,
          isFolder: (attributes & 0x10) !== 0,
          cluster: entry.readUInt16LE(20) * 0x10000 + entry.readUInt16LE(26),
          sizeBytes: entry.readUInt32LE(28),
        };
      }
      long = "";
    }
  }
}
