// The MBR partition table with logical partitions, as a Raspberry Pi's boot ROM reads it: writes one for a new image, reads
// one from an untrusted disk.

import { createHash } from "node:crypto";
import { isSound, maxDiskSectors, sectorBytes } from "./gpt.ts";
import type { ReadAt } from "./read-at.ts";

/** FAT16 and FAT32 with 32-bit sector numbers, Linux data, extended with 32-bit sector numbers. */
export const mbrTypes = { fat16: 0x0e, fat32: 0x0c, linux: 0x83, extended: 0x0f } as const;
const extendedTypes = [0x05, 0x0f, 0x85];

/** `number` as Linux counts: 1 to 4 in the table itself, 5 and up in the extended partition. */
export type MbrPartition = { number: number; type: number; firstSector: number; sectors: number };
export type Mbr = { signature: string; partitions: MbrPartition[] };

const tableOffset = 446;
const entryBytes = 16;
/** More than any real disk has. */
const maxLogical = 60;

/** The sectors to write, by number: the table itself, and one before each logical partition. */
export function writeMbr({ signature, partitions }: Mbr): Map<number, Buffer> {
  const table = sectorWith(partitions.filter(({ number }) => number <= 4).map((one) => [one.number - 1, one]));
  table.writeUInt32LE(Number.parseInt(signature, 16), 440);
  const sectors = new Map([[0, table]]);
  const extended = partitions.find(({ type }) => extendedTypes.includes(type));
  const logical = partitions.filter(({ number }) => number > 4);
  // Each record holds its partition, counted from itself, and the place of the next, counted from the extended partition.
  const recordOf = (one: MbrPartition) => one.firstSector - logicalHeadSectors;
  for (const [index, one] of logical.entries()) {
    const entries: [number, Entry][] = [[0, { ...one, firstSector: logicalHeadSectors }]];
    const next = logical[index + 1];
    if (next && extended) {
      const firstSector = recordOf(next) - extended.firstSector;
      entries.push([1, { type: 0x05, firstSector, sectors: next.sectors + logicalHeadSectors }]);
    }
    sectors.set(recordOf(one), sectorWith(entries));
  }
  return sectors;
}

/** Room for a logical partition's record before it: a MiB, so that the partition itself stays aligned. */
export const logicalHeadSectors = (1 << 20) / sectorBytes;

type Entry = Omit<MbrPartition, "number">;

function sectorWith(entries: [index: number, entry: Entry][]): Buffer {
  const bytes = Buffer.alloc(sectorBytes);
  for (const [index, { type, firstSector, sectors }] of entries) {
    const at = tableOffset + index * entryBytes;
    // Cylinder, head, sector: "beyond", so that the 32-bit numbers count.
    Buffer.from([0x00, 0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff]).copy(bytes, at);
    bytes.writeUInt32LE(firstSector, at + 8);
    bytes.writeUInt32LE(sectors, at + 12);
  }
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

/** The table of a disk, or undefined if there is none, it only protects a GPT, or it is not valid: for example, a chain with a loop. */
export async function readMbr(readAt: ReadAt): Promise<Mbr | undefined> {
  const table = await readAt(0, sectorBytes);
  const primary = entriesOf(table).map(([index, entry]) => ({ number: index + 1, ...entry }));
  if (primary.length === 0 || primary.some(({ type }) => type === 0xee)) return undefined;
  const logical: MbrPartition[] = [];
  const seen = new Set<number>();
  const extended = primary.find(({ type }) => extendedTypes.includes(type));
  let at = extended?.firstSector;
  for (let number = 5; at !== undefined && number < 5 + maxLogical; number++) {
    if (seen.has(at)) return undefined;
    seen.add(at);
    const record = new Map(entriesOf(await readAt(at * sectorBytes, sectorBytes)));
    const [own, next] = [record.get(0), record.get(1)];
    if (own) logical.push({ number, ...own, firstSector: at + own.firstSector });
    at = next && extended && extendedTypes.includes(next.type) ? extended.firstSector + next.firstSector : undefined;
  }
  const signature = table.readUInt32LE(440).toString(16).padStart(8, "0");
  if (!isSound(primary, maxDiskSectors) || !isSound(logical, maxDiskSectors)) return undefined;
  return { signature, partitions: [...primary, ...logical] };
}

function entriesOf(sector: Buffer): [index: number, entry: Entry][] {
  if (sector.length < sectorBytes || sector.readUInt16LE(510) !== 0xaa55) return [];
  return [0, 1, 2, 3].flatMap((index): [number, Entry][] => {
    const at = tableOffset + index * entryBytes;
    const [type, sectors] = [sector.readUInt8(at + 4), sector.readUInt32LE(at + 12)];
    return type === 0 || sectors === 0 ? [] : [[index, { type, firstSector: sector.readUInt32LE(at + 8), sectors }]];
  });
}

/** A disk signature derived from `text`, never zero: 8 hex digits, as in a PARTUUID. */
export const signatureOf = (text: string): string =>
  ((createHash("sha256").update(text).digest().readUInt32LE(0) | 1) >>> 0).toString(16).padStart(8, "0");
