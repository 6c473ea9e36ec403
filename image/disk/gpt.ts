// The GUID partition table (UEFI specification, chapter 5): writes one for a new image, reads one from an untrusted disk.
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { gptHeaderBytes, gptSignature, guidBytes, guidText, readGptHeader } from "../../system/gpt-header.ts";

export const sectorBytes = 512;
const entryBytes = 128;
const entryCount = 128;
const tableSectors = (entryBytes * entryCount) / sectorBytes;

export const espType = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/** Linux data. Not the discoverable types, so that no other system mounts our slots automatically. */
export const linuxType = "0fc63daf-8483-4772-8e79-3d69d8477de4";

export type Partition = { label: string; type: string; guid: string; firstSector: number; sectors: number };

/** `head`: protective MBR, header and entries for the disk's start; `tail`: their copy for its end. */
export function writeGpt(
  diskSectors: number,
  diskGuid: string,
  partitions: Partition[],
): { head: Buffer; tail: Buffer } {
  const entries = Buffer.alloc(entryBytes * entryCount);
  partitions.forEach(({ label, type, guid, firstSector, sectors }, index) => {
    const at = index * entryBytes;
    guidBytes(type).copy(entries, at);
    guidBytes(guid).copy(entries, at + 16);
    entries.writeBigUInt64LE(BigInt(firstSector), at + 32);
    entries.writeBigUInt64LE(BigInt(firstSector + sectors - 1), at + 40);
    entries.write(label, at + 56, 72, "utf16le");
  });
  const header = (own: number, other: number, table: number) => {
    const bytes = Buffer.alloc(sectorBytes);
    bytes.write(gptSignature, 0, "latin1");
    bytes.writeUInt32LE(0x10000, 8);
    bytes.writeUInt32LE(gptHeaderBytes, 12);
    bytes.writeBigUInt64LE(BigInt(own), 24);
    bytes.writeBigUInt64LE(BigInt(other), 32);
    bytes.writeBigUInt64LE(BigInt(2 + tableSectors), 40);
    bytes.writeBigUInt64LE(BigInt(diskSectors - tableSectors - 2), 48);
    guidBytes(diskGuid).copy(bytes, 56);
    bytes.writeBigUInt64LE(BigInt(table), 72);
    bytes.writeUInt32LE(entryCount, 80);
    bytes.writeUInt32LE(entryBytes, 84);
    bytes.writeUInt32LE(crc32(entries), 88);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, gptHeaderBytes)), 16);
    return bytes;
  };
  const last = diskSectors - 1;
  return {
    head: Buffer.concat([protectiveMbr(diskSectors), header(1, last, 2), entries]),
    tail: Buffer.concat([entries, header(last, 1, last - tableSectors)]),
  };
}

export const headSectors = 2 + tableSectors;
export const tailSectors = 1 + tableSectors;

function protectiveMbr(diskSectors: number): Buffer {
  const bytes = Buffer.alloc(sectorBytes);
  bytes.writeUInt8(0xee, 446 + 4);
  // Start and end as cylinder, head, sector: 0/0/2 and "beyond".
  Buffer.from([0x00, 0x02, 0x00]).copy(bytes, 446 + 1);
  Buffer.from([0xff, 0xff, 0xff]).copy(bytes, 446 + 5);
  bytes.writeUInt32LE(1, 446 + 8);
  bytes.writeUInt32LE(Math.min(diskSectors - 1, 0xffffffff), 446 + 12);
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

export type Gpt = { diskSectors: number; guid: string; partitions: Partition[] };

/**
 * Whether every partition has sectors, lies within the disk and overlaps no other: a walk over them visits each sector once.
 */
export function isSound(
  partitions: readonly Pick<Partition, "firstSector" | "sectors">[],
  diskSectors: number,
): boolean {
  let end = 1;
  return partitions
    .toSorted((a, b) => a.firstSector - b.firstSector)
    .every(({ firstSector, sectors }) => {
      const isFree = firstSector >= end && sectors >= 1;
      end = firstSector + sectors;
      return isFree && end <= diskSectors;
    });
}

/** 8 PiB: larger byte counts are not safe integers. */
export const maxDiskSectors = Math.floor(Number.MAX_SAFE_INTEGER / sectorBytes);

/** The table in a disk's first `headSectors` sectors, or undefined if there is none or it is not valid. */
export function readGpt(head: Buffer): Gpt | undefined {
  if (head.length < headSectors * sectorBytes) return undefined;
  const header = readGptHeader(head.subarray(sectorBytes, 2 * sectorBytes));
  if (header?.entryCount !== entryCount || header.entryBytes !== entryBytes) return undefined;
  const entries = head.subarray(2 * sectorBytes, headSectors * sectorBytes);
  if (crc32(entries) !== header.entriesCrc) return undefined;
  const partitions: Partition[] = [];
  for (let at = 0; at < entries.length; at += entryBytes) {
    const type = guidText(entries.subarray(at, at + 16));
    if (/^[0-]+$/.test(type)) continue;
    const firstSector = Number(entries.readBigUInt64LE(at + 32));
    partitions.push({
      type,
      guid: guidText(entries.subarray(at + 16, at + 32)),
      firstSector,
      sectors: Number(entries.readBigUInt64LE(at + 40)) - firstSector + 1,
      label: entries.toString("utf16le", at + 56, at + 128).replace(/\0.*$/, ""),
    });
  }
  const { guid, diskSectors } = header;
  if (!isSound(partitions, Math.min(diskSectors, maxDiskSectors))) return undefined;
  return { diskSectors, guid, partitions };
}

/** A GUID derived from `text`, so that the same input gives the same disk. Version 8 (RFC 9562 5.8). */
export function guidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
