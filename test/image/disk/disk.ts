// A small disk laid out like an image: partition table, an EFI partition with the files that an image carries there, in a FAT32
// written cluster by cluster so that a test can damage any part.
import { open } from "node:fs/promises";
import { type ImageJson, imageJsonPath, provisionPath } from "../../../image/assemble/image-json.ts";
import { provisionBlockBytes } from "../../../image/boards.ts";
import { espType, guidOf, linuxType, sectorBytes, writeGpt } from "../../../image/disk/gpt.ts";

const espFirstSector = 2048;
const espSectors = 4096;
const clusterBytes = 2048;
const reservedSectors = 32;
const fatSectors = 64;
const rootFirstSector = espFirstSector + espSectors;
export const diskBytes = (espFirstSector + espSectors + 2048) * sectorBytes;

export type DiskOptions = {
  image?: Partial<ImageJson> | string | undefined;
  /** Spreads the provision block over the disk. */
  isFragmented?: boolean;
  /** Points the last cluster of the provision block at its first. */
  isLooped?: boolean;
  provisionBytes?: number;
  /** Names of the files on the disk, instead of their own. */
  rename?: Record<string, string>;
  /** Content of the partition root-a, at most `rootSectors` long. */
  root?: Buffer;
  /** All six partitions, with these fields of a superblock in `data`. */
  data?: { mounts?: number; mountedS?: number; writtenS?: number; madeS?: number; magic?: number };
};
const rootSectors = 1024;
const dataSectors = 64;

export const imageFacts: ImageJson = {
  format: 1,
  board: "nuc",
  version: "1.2.3",
  inputs: "ab".repeat(32),
  builtS: 1_700_000_000,
  rootHash: "cd".repeat(32),
  sizeBytes: diskBytes,
  parts: { debian: 1000, node: 2000 },
};

export async function makeDisk(path: string, options: DiskOptions = {}): Promise<void> {
  const { image = {}, provisionBytes = provisionBlockBytes } = options;
  const about = typeof image === "string" ? image : JSON.stringify({ ...imageFacts, ...image });
  const files: [string, Buffer][] = [
    [provisionPath, Buffer.alloc(provisionBytes, "\n")],
    [imageJsonPath, Buffer.from(about)],
  ];
  const esp = writeFat(files, options);
  const gpt = writeGpt(diskBytes / sectorBytes, guidOf("test disk"), [
    { label: "esp", type: espType, guid: guidOf("esp"), firstSector: espFirstSector, sectors: espSectors },
    { label: "root-a", type: linuxType, guid: guidOf("root-a"), firstSector: rootFirstSector, sectors: rootSectors },
    ...(options.data ? ["verity-a", "root-b", "verity-b", "data"] : []).map((label, index) => ({
      ...{ label, type: linuxType, guid: guidOf(label), sectors: dataSectors },
      firstSector: rootFirstSector + rootSectors + index * dataSectors,
    })),
  ]);
  const file = await open(path, "w");
  try {
    // Not zero, so that a write to a wrong place is visible.
    await file.write(Buffer.alloc(diskBytes, 0x5a), 0, diskBytes, 0);
    await file.write(gpt.head, 0, gpt.head.length, 0);
    await file.write(esp, 0, esp.length, espFirstSector * sectorBytes);
    if (options.root) await file.write(options.root, 0, options.root.length, rootFirstSector * sectorBytes);
    if (options.data) {
      const superblock = superblockOf(options.data);
      await file.write(
        superblock,
        0,
        superblock.length,
        (rootFirstSector + rootSectors + 3 * dataSectors) * sectorBytes + 1024,
      );
    }
    await file.write(gpt.tail, 0, gpt.tail.length, diskBytes - gpt.tail.length);
  } finally {
    await file.close();
  }
}

/** Linux, Documentation/filesystems/ext4/super.rst. */
function superblockOf(data: NonNullable<DiskOptions["data"]>): Buffer {
  const { mounts = 0, mountedS = 0, writtenS = imageFacts.builtS, madeS = imageFacts.builtS, magic = 0xef53 } = data;
  const superblock = Buffer.alloc(1024);
  superblock.writeUInt32LE(mountedS, 0x2c);
  superblock.writeUInt32LE(writtenS, 0x30);
  superblock.writeUInt16LE(mounts, 0x34);
  superblock.writeUInt16LE(magic, 0x38);
  superblock.writeUInt32LE(madeS, 0x108);
  return superblock;
}

function writeFat(files: [path: string, content: Buffer][], options: DiskOptions): Buffer {
  const volume = Buffer.alloc(espSectors * sectorBytes, 0x5a);
  volume.fill(0, 0, (reservedSectors + fatSectors) * sectorBytes);
  volume.writeUInt16LE(sectorBytes, 11);
  volume.writeUInt8(clusterBytes / sectorBytes, 13);
  volume.writeUInt16LE(reservedSectors, 14);
  volume.writeUInt8(1, 16);
  volume.writeUInt32LE(fatSectors, 36);
  volume.writeUInt32LE(2, 44);
  volume.writeUInt16LE(0xaa55, 510);
  const setNext = (cluster: number, next: number) =>
    volume.writeUInt32LE(next, reservedSectors * sectorBytes + cluster * 4);
  let free = 2;
  const store = (content: Buffer, step: number): number[] => {
    const clusters: number[] = [];
    for (let at = 0; at < content.length; at += clusterBytes) {
      const cluster = free;
      free += step;
      content.copy(
        volume,
        (reservedSectors + fatSectors) * sectorBytes + (cluster - 2) * clusterBytes,
        at,
        at + clusterBytes,
      );
      clusters.push(cluster);
    }
    for (const [index, cluster] of clusters.entries()) setNext(cluster, clusters[index + 1] ?? 0x0fffffff);
    return clusters;
  };
  const root = Buffer.alloc(clusterBytes);
  const folder = Buffer.alloc(clusterBytes);
  const [rootCluster] = store(root, 1);
  const [folderCluster = 0] = store(folder, 1);
  const write = (target: Buffer, entries: Buffer[]) => Buffer.concat(entries).copy(target);
  const entries = files.flatMap(([path, content], index) => {
    const clusters = store(content, path === provisionPath && options.isFragmented ? 2 : 1);
    if (path === provisionPath && options.isLooped) setNext(clusters.at(-1)!, clusters[0]!);
    const name = path.split("/").at(-1)!;
    return [
      ...longName(options.rename?.[name] ?? name),
      shortEntry(`FILE${index}`, 0x20, clusters[0] ?? 0, content.length),
    ];
  });
  write(folder, entries);
  write(root, [shortEntry("LABEL", 0x08, 0, 0), shortEntry("HAMLET", 0x10, folderCluster, 0)]);
  const data = (reservedSectors + fatSectors) * sectorBytes;
  root.copy(volume, data + (rootCluster! - 2) * clusterBytes);
  folder.copy(volume, data + (folderCluster - 2) * clusterBytes);
  return volume;
}

export function shortEntry(name: string, attributes: number, cluster: number, sizeBytes: number): Buffer {
  const entry = Buffer.alloc(32);
  entry.write(name.padEnd(11), 0, "latin1");
  entry.writeUInt8(attributes, 11);
  entry.writeUInt16LE(cluster >>> 16, 20);
  entry.writeUInt16LE(cluster & 0xffff, 26);
  entry.writeUInt32LE(sizeBytes, 28);
  return entry;
}

export function longName(name: string): Buffer[] {
  const pieces = Math.ceil(name.length / 13);
  return Array.from({ length: pieces }, (_, index) => {
    const number = pieces - index;
    const text = Buffer.alloc(26, 0xff);
    text.write(
      name.slice((number - 1) * 13, number * 13) + (number === pieces && name.length % 13 ? "\0" : ""),
      "utf16le",
    );
    const entry = Buffer.alloc(32);
    entry.writeUInt8(number | (index === 0 ? 0x40 : 0), 0);
    text.copy(entry, 1, 0, 10);
    entry.writeUInt8(0x0f, 11);
    text.copy(entry, 14, 10, 22);
    text.copy(entry, 28, 22, 26);
    return entry;
  });
}
