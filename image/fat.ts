// Finds a file in a FAT32 filesystem and says where on the disk its bytes are. Reads only, trusts nothing: every number
// comes from a disk that may be anyone's, so each walk has a limit.
// Microsoft, "FAT32 File System Specification" 1.03.

/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;
/** Where a file's bytes are: `extents` in order, on the disk. */
export type FoundFile = { sizeBytes: number; extents: { offset: number; length: number }[] };

/** A folder of ours has a handful of names; 256 KiB is 8,000. */
const maxFolderBytes = 256 << 10;
const endOfChain = 0x0ffffff8;

/** The file at `path` (`hamlet/image.json`) in the FAT32 at byte `start`, or undefined. */
export async function findFatFile(readAt: ReadAt, start: number, path: string): Promise<FoundFile | undefined> {
  const volume = await readVolume(readAt, start);
  const entry = volume && (await walk(readAt, volume, path));
  return volume && entry && !entry.isFolder
    ? await extentsOf(readAt, volume, entry.cluster, entry.sizeBytes)
    : undefined;
}

/** The names in the folder at `path`, or undefined if there is no such folder. */
export async function listFatFolder(readAt: ReadAt, start: number, path: string): Promise<string[] | undefined> {
  const volume = await readVolume(readAt, start);
  const entry = volume && (await walk(readAt, volume, path));
  const bytes = volume && entry?.isFolder ? await readFolder(readAt, volume, entry.cluster) : undefined;
  return bytes && [...entriesOf(bytes)].map(({ long, short }) => long || short).filter((name) => !/^\.\.?$/.test(name));
}

async function walk(readAt: ReadAt, volume: Volume, path: string): Promise<NameEntry | undefined> {
  let entry: NameEntry = { long: "", short: "", isFolder: true, cluster: volume.rootCluster, sizeBytes: 0 };
  for (const word of path.split("/")) {
    const bytes = entry.isFolder ? await readFolder(readAt, volume, entry.cluster) : undefined;
    // FAT knows no case.
    const found = [...entriesOf(bytes ?? Buffer.alloc(0))].find(({ long, short }) =>
      [long, short].some((name) => name.toLowerCase() === word.toLowerCase()),
    );
    if (!found) return undefined;
    entry = found;
  }
  return entry;
}

type Volume = { clusterBytes: number; fatOffset: number; fatBytes: number; dataOffset: number; rootCluster: number };

async function readVolume(readAt: ReadAt, start: number): Promise<Volume | undefined> {
  const boot = await readAt(start, 512);
  if (boot.length < 512 || boot.readUInt16LE(510) !== 0xaa55) return undefined;
  const sectorBytes = boot.readUInt16LE(11);
  const clusterSectors = boot.readUInt8(13);
  const fatSectors = boot.readUInt32LE(36);
  const isFat32 = boot.readUInt16LE(17) === 0 && boot.readUInt16LE(22) === 0 && fatSectors > 0;
  if (sectorBytes !== 512 || clusterSectors === 0 || !isFat32) return undefined;
  const reserved = boot.readUInt16LE(14);
  return {
    clusterBytes: clusterSectors * sectorBytes,
    fatOffset: start + reserved * sectorBytes,
    fatBytes: fatSectors * sectorBytes,
    dataOffset: start + (reserved + boot.readUInt8(16) * fatSectors) * sectorBytes,
    rootCluster: boot.readUInt32LE(44),
  };
}

const offsetOf = (volume: Volume, cluster: number) => volume.dataOffset + (cluster - 2) * volume.clusterBytes;

/** The clusters of a chain, at most `limit`; undefined if it is longer or leaves the table. */
async function chainOf(readAt: ReadAt, volume: Volume, first: number, limit: number): Promise<number[] | undefined> {
  const chain: number[] = [];
  let cluster = first;
  while (cluster < endOfChain) {
    if (cluster < 2 || cluster * 4 + 4 > volume.fatBytes || chain.length === limit) return undefined;
    chain.push(cluster);
    const entry = await readAt(volume.fatOffset + cluster * 4, 4);
    if (entry.length < 4) return undefined;
    cluster = entry.readUInt32LE(0) & 0x0fffffff;
  }
  return chain;
}

async function readFolder(readAt: ReadAt, volume: Volume, first: number): Promise<Buffer | undefined> {
  const chain = await chainOf(readAt, volume, first, Math.ceil(maxFolderBytes / volume.clusterBytes));
  if (!chain) return undefined;
  return Buffer.concat(await Promise.all(chain.map((one) => readAt(offsetOf(volume, one), volume.clusterBytes))));
}

async function extentsOf(
  readAt: ReadAt,
  volume: Volume,
  first: number,
  sizeBytes: number,
): Promise<FoundFile | undefined> {
  const clusters = Math.ceil(sizeBytes / volume.clusterBytes);
  const chain = clusters === 0 ? [] : await chainOf(readAt, volume, first, clusters);
  if (chain?.length !== clusters) return undefined;
  const extents: FoundFile["extents"] = [];
  for (const [index, cluster] of chain.entries()) {
    const length = Math.min(volume.clusterBytes, sizeBytes - index * volume.clusterBytes);
    const previous = extents.at(-1);
    const offset = offsetOf(volume, cluster);
    if (previous && previous.offset + previous.length === offset) previous.length += length;
    else extents.push({ offset, length });
  }
  return { sizeBytes, extents };
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
      const [base, extension] = [entry.toString("latin1", 0, 8).trimEnd(), entry.toString("latin1", 8, 11).trimEnd()];
      const isLabel = (attributes & 0x08) !== 0;
      if (!isLabel) {
        yield {
          long,
          short: extension ? `${base}.${extension}` : base,
          isFolder: (attributes & 0x10) !== 0,
          cluster: (entry.readUInt16LE(20) << 16) | entry.readUInt16LE(26),
          sizeBytes: entry.readUInt32LE(28),
        };
      }
      long = "";
    }
  }
}
