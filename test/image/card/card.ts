// A Raspberry Pi's card in memory: MBR, the autoboot partition (FAT16) and the two boot partitions (FAT32), written
// cluster by cluster so that a test can damage any part.

import { sectorBytes } from "../../../image/disk/gpt.ts";
import { mbrTypes, writeMbr } from "../../../image/disk/mbr.ts";
import type { ReadAt } from "../../../image/disk/read-at.ts";
import { longName, shortEntry } from "../disk/disk.ts";

export type FileTree = Record<string, Buffer | string>;
export type Card = { bytes: Buffer; readAt: ReadAt; firstByte(number: number): number };

const partitionSectors = 512;
const firstSectorOf = (number: number) => 64 + (number - 1) * partitionSectors;

export function makeCard(partitions: { autoboot: FileTree; bootA: FileTree; bootB: FileTree }): Card {
  const volumes = [
    { type: mbrTypes.fat16, volume: makeFat(partitions.autoboot, 16) },
    { type: mbrTypes.fat32, volume: makeFat(partitions.bootA, 32) },
    { type: mbrTypes.fat32, volume: makeFat(partitions.bootB, 32) },
  ];
  const bytes = Buffer.alloc(firstSectorOf(4) * sectorBytes);
  const table = volumes.map(({ type }, index) => ({
    number: index + 1,
    type,
    firstSector: firstSectorOf(index + 1),
    sectors: partitionSectors,
  }));
  for (const [sector, content] of writeMbr({ signature: "0a0b0c0d", partitions: table })) {
    content.copy(bytes, sector * sectorBytes);
  }
  for (const [index, { volume }] of volumes.entries()) volume.copy(bytes, firstSectorOf(index + 1) * sectorBytes);
  return {
    bytes,
    readAt: async (offset, length) => Buffer.from(bytes.subarray(offset, offset + length)),
    firstByte: (number) => firstSectorOf(number) * sectorBytes,
  };
}

/** A volume of 256 KiB with clusters of one sector and one level of folders. */
export function makeFat(files: FileTree, bits: 16 | 32): Buffer {
  const volume = Buffer.alloc(partitionSectors * sectorBytes);
  const [reserved, fatSectors, rootEntries] = bits === 16 ? [1, 2, 64] : [8, 4, 0];
  volume.writeUInt16LE(sectorBytes, 11);
  volume.writeUInt8(1, 13);
  volume.writeUInt16LE(reserved, 14);
  volume.writeUInt8(1, 16);
  volume.writeUInt16LE(rootEntries, 17);
  if (bits === 16) volume.writeUInt16LE(fatSectors, 22);
  else {
    volume.writeUInt32LE(fatSectors, 36);
    volume.writeUInt32LE(2, 44);
  }
  volume.writeUInt16LE(0xaa55, 510);
  const rootOffset = (reserved + fatSectors) * sectorBytes;
  const dataOffset = rootOffset + rootEntries * 32;
  const setNext = (cluster: number, next: number) => {
    if (bits === 16) volume.writeUInt16LE(next & 0xffff, reserved * sectorBytes + cluster * 2);
    else volume.writeUInt32LE(next, reserved * sectorBytes + cluster * 4);
  };
  let free = bits === 16 ? 2 : 6;
  const store = (content: Buffer): number => {
    const first = free;
    const clusters = Math.ceil(content.length / sectorBytes);
    content.copy(volume, dataOffset + (first - 2) * sectorBytes);
    for (let index = 0; index < clusters; index++) {
      setNext(first + index, index === clusters - 1 ? 0x0fffffff : first + index + 1);
    }
    free += clusters;
    return clusters === 0 ? 0 : first;
  };
  let made = 0;
  const entriesOf = (tree: FileTree): Buffer[] => {
    const folders = new Set(Object.keys(tree).flatMap((path) => (path.includes("/") ? [path.split("/")[0]!] : [])));
    const inFolders = [...folders].flatMap((folder) => {
      const inside = Object.entries(tree).flatMap(([path, content]) =>
        path.startsWith(`${folder}/`) ? [[path.slice(folder.length + 1), content] as const] : [],
      );
      const body = Buffer.concat([...entriesOf(Object.fromEntries(inside)), Buffer.alloc(32)]);
      return [...longName(folder), shortEntry(`DIR${made++}`, 0x10, store(body), 0)];
    });
    const plain = Object.entries(tree).flatMap(([path, content]) => {
      const bytes = Buffer.from(content);
      return path.includes("/") ? [] : [...longName(path), shortEntry(`F${made++}`, 0x20, store(bytes), bytes.length)];
    });
    return [...inFolders, ...plain];
  };
  const root = Buffer.concat(entriesOf(files));
  if (bits === 16) root.copy(volume, rootOffset);
  else {
    // Clusters 2 to 5 hold 64 directory entries, as in the FAT16 volume.
    if (root.length > 4 * sectorBytes) throw new Error("the root folder is full");
    root.copy(volume, dataOffset);
    for (const cluster of [2, 3, 4, 5]) setNext(cluster, cluster === 5 ? 0x0fffffff : cluster + 1);
  }
  return volume;
}
