// The FAT partitions of a card as the firmware sees them, and the error with which it refuses to boot.

import { HamletError } from "../../../system/error.ts";
import { hasFatFile, readFatFile } from "../../disk/fat.ts";
import { sectorBytes } from "../../disk/gpt.ts";
import { readMbr } from "../../disk/mbr.ts";
import type { ReadAt } from "../../disk/read-at.ts";

/** The files of one partition. */
export type Files = {
  number: number;
  has(path: string): Promise<boolean>;
  /** Undefined for a file longer than `maxBytes`. */
  read(path: string, maxBytes?: number): Promise<Buffer | undefined>;
};

/** MBR types that the boot ROM treats as FAT; it does not know 0xef. */
const fatTypes = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e];
const maxFileBytes = 256 << 20;

export const refuse = (why: string, hint?: string): HamletError =>
  new HamletError("lab.firmwareRefused", `the firmware starts nothing: ${why}`, hint ? { hint } : {});

/** The primary FAT partitions, in disk order. */
export async function fatPartitions(readAt: ReadAt): Promise<Files[]> {
  const table = await readMbr(readAt);
  if (!table) throw refuse("the disk has no partition table that the boot ROM knows (MBR)");
  return table.partitions
    .filter(({ number, type }) => number <= 4 && fatTypes.includes(type))
    .map(({ number, firstSector }) => {
      const start = firstSector * sectorBytes;
      const plain = (path: string) => path.replace(/^\//, "");
      return {
        number,
        has: (path) => hasFatFile(readAt, start, plain(path)),
        read: (path, maxBytes = maxFileBytes) => readFatFile(readAt, start, plain(path), maxBytes),
      };
    });
}
