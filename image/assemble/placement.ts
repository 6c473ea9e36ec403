// Places the partitions of a layout on a new disk, and makes the partition table. Pure.
import type { Layout } from "../boards.ts";
import { espType, guidOf, headSectors, linuxType, sectorBytes, tailSectors, writeGpt } from "../disk/gpt.ts";
import { logicalHeadSectors, type MbrPartition, mbrTypes, signatureOf, writeMbr } from "../disk/mbr.ts";

const mib = 1 << 20;
/** Partitions begin on a MiB: erase blocks of SD cards and SSDs are no larger. */
const alignBytes = mib;
/** An MBR has four entries: three primaries, and an extended partition for the rest. */
const mbrPrimaries = 3;
const extendedNumber = 4;

/** `number` as Linux counts partitions. */
export type Placed = { label: string; number: number; firstSector: number; sectors: number };
export type Placement = { partitions: Placed[]; diskBytes: number };

/** Lays out partitions one after the other. */
export function placePartitions({ table, partitions: wanted }: Layout): Placement {
  let next = table === "gpt" ? Math.ceil((headSectors * sectorBytes) / alignBytes) * alignBytes : alignBytes;
  const partitions = wanted.map(({ label, sizeMiB }, index): Placed => {
    const isLogical = table === "mbr" && index >= mbrPrimaries;
    if (isLogical) next += logicalHeadSectors * sectorBytes;
    const firstSector = next / sectorBytes;
    next += sizeMiB * mib;
    return { label, number: index + (isLogical ? 2 : 1), firstSector, sectors: (sizeMiB * mib) / sectorBytes };
  });
  const tailBytes = table === "gpt" ? tailSectors * sectorBytes : 0;
  return { partitions, diskBytes: Math.ceil((next + tailBytes) / alignBytes) * alignBytes };
}

/** Sets this disk apart from other images' disks; derived from the image's content. */
export const diskSignature = (inputs: string): string => signatureOf(`hamlet disk ${inputs}`);

/** The table as bytes to write, each at its offset. */
export function tableWrites(
  layout: Layout,
  { partitions, diskBytes }: Placement,
  inputs: string,
): { offset: number; bytes: Buffer }[] {
  if (layout.table === "mbr") {
    const sectors = writeMbr({ signature: diskSignature(inputs), partitions: mbrPartitions(layout, partitions) });
    return [...sectors].map(([sector, bytes]) => ({ offset: sector * sectorBytes, bytes }));
  }
  const entries = partitions.map(({ label, firstSector, sectors }) => ({
    label,
    type: label === "esp" ? espType : linuxType,
    guid: guidOf(`hamlet ${label} ${inputs}`),
    firstSector,
    sectors,
  }));
  const { head, tail } = writeGpt(diskBytes / sectorBytes, guidOf(`hamlet disk ${inputs}`), entries);
  return [
    { offset: 0, bytes: head },
    { offset: diskBytes - tail.length, bytes: tail },
  ];
}

function mbrPartitions(layout: Layout, placed: Placed[]): MbrPartition[] {
  const formatOf = (label: string) => layout.partitions.find((one) => one.label === label)?.format;
  const all = placed.map(({ label, number, firstSector, sectors }): MbrPartition => {
    const format = formatOf(label);
    return { number, firstSector, sectors, type: format ? mbrTypes[format] : mbrTypes.linux };
  });
  const logical = all.filter(({ number }) => number > extendedNumber);
  const [first, last] = [logical[0], logical.at(-1)];
  if (!first || !last) return all;
  const firstSector = first.firstSector - logicalHeadSectors;
  const sectors = last.firstSector + last.sectors - firstSector;
  const extended = { number: extendedNumber, type: mbrTypes.extended, firstSector, sectors };
  return [...all, extended].sort((a, b) => a.number - b.number);
}
