// The log of what a machine wrote to its disk, in the order in which the disk took it: the format of Linux's dm-log-writes
// (Documentation/admin-guide/device-mapper/log-writes.rst, drivers/md/dm-log-writes.c), as QEMU's `blklogwrites` writes it.
// Sectors: one with the superblock, then for each entry one with its head and those with its data. All numbers little-endian.
import { HamletError } from "../../../system/error.ts";
import type { ReadAt } from "../../disk/read-at.ts";

export type Write = {
  kind: "write";
  /** On the disk. */
  offset: number;
  length: number;
  /** Where its data begins in the log. */
  dataAt: number;
  /** Written through the disk's cache (FUA). */
  isThrough: boolean;
};
/** What a discarded range holds afterwards is undefined, so the log has no data for it. */
export type LogEntry =
  | Write
  /** `at`: where it lies in the log. */
  | { kind: "flush"; at: number }
  | { kind: "discard"; offset: number; length: number };

const magic = 0x6a736677736872n;
const flag = { flush: 1, through: 2, discard: 4, mark: 8, metadata: 16 };
const knownFlags = Object.values(flag).reduce((all, one) => all | one);
const headBytes = 32;
const defaultSectorBytes = 512;

/**
 * All entries up to the first that is not complete: whoever wrote the log may have been killed. Does not trust the count in the
 * superblock, which QEMU renews only now and then. Throws `lab.machineRefused` for another file.
 */
export async function readWriteLog(readAt: ReadAt, sizeBytes: number): Promise<LogEntry[]> {
  const sectorBytes = await readSuperblock(readAt);
  const entries: LogEntry[] = [];
  for (let at = sectorBytes; at + sectorBytes <= sizeBytes; ) {
    const head = await readAt(at, headBytes);
    const [sector, sectors, flags] = [0, 8, 16].map((place) => Number(head.readBigUInt64LE(place))) as Triple;
    // QEMU writes heads in no fixed order, and a hole reads as zeros.
    const isEmpty = sectors === 0 && flags === 0;
    if (isEmpty || (flags & ~knownFlags) !== 0 || !Number.isSafeInteger((sector + sectors) * sectorBytes)) break;
    const [offset, length, dataAt] = [sector * sectorBytes, sectors * sectorBytes, at + sectorBytes];
    const hasData = (flags & (flag.discard | flag.mark)) === 0;
    if (hasData && dataAt + length > sizeBytes) break;
    // The kernel flushes before it writes the data of the same request.
    if (flags & flag.flush) entries.push({ kind: "flush", at });
    if (flags & flag.discard) entries.push({ kind: "discard", offset, length });
    else if (hasData && length > 0) {
      entries.push({ kind: "write", offset, length, dataAt, isThrough: (flags & flag.through) !== 0 });
    }
    at = dataAt + (hasData ? length : 0);
  }
  return entries;
}

type Triple = [sector: number, sectors: number, flags: number];

/** The size of a sector. An empty log has no superblock yet: QEMU writes it at the first flush. */
async function readSuperblock(readAt: ReadAt): Promise<number> {
  const head = await readAt(0, headBytes);
  if (head.every((byte) => byte === 0)) return defaultSectorBytes;
  const sectorBytes = head.length < headBytes ? 0 : head.readUInt32LE(24);
  const isPower =
    sectorBytes >= defaultSectorBytes && sectorBytes <= 1 << 20 && (sectorBytes & (sectorBytes - 1)) === 0;
  if (isPower && head.readBigUInt64LE(0) === magic && head.readBigUInt64LE(8) === 1n) return sectorBytes;
  throw new HamletError("lab.machineRefused", "this is not a log of a disk's writes", {
    hint: "start the lab again: hamlet lab down, then hamlet lab up",
  });
}
