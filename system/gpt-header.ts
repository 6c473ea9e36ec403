// The header of a GUID partition table: the second sector of a disk (UEFI specification, 5.3.2).
// Pure.
import { crc32 } from "node:zlib";

/** From the start of a disk with sectors of 512 bytes. */
export const gptHeaderOffset = 512;
export const gptSignature = "EFI PART";
/** What the header's own checksum covers. */
export const gptHeaderBytes = 92;

export type GptHeader = {
  guid: string;
  /** Of this disk, by the place of the header's copy: its last sector. */
  diskSectors: number;
  entryCount: number;
  entryBytes: number;
  entriesCrc: number;
};

/** Of the bytes that begin in the second sector; undefined without a header that is whole. */
export function readGptHeader(bytes: Buffer): GptHeader | undefined {
  if (bytes.length < gptHeaderBytes || bytes.toString("latin1", 0, 8) !== gptSignature) return undefined;
  const summed = Buffer.from(bytes.subarray(0, gptHeaderBytes));
  summed.writeUInt32LE(0, 16);
  if (crc32(summed) !== bytes.readUInt32LE(16)) return undefined;
  return {
    guid: guidText(bytes.subarray(56, 72)),
    diskSectors: Number(bytes.readBigUInt64LE(32)) + 1,
    entryCount: bytes.readUInt32LE(80),
    entryBytes: bytes.readUInt32LE(84),
    entriesCrc: bytes.readUInt32LE(88),
  };
}

/** The first three fields are little-endian on disk. */
const swap = (bytes: Buffer) =>
  Buffer.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((index) => bytes[index]!));
export const guidBytes = (guid: string): Buffer => swap(Buffer.from(guid.replaceAll("-", ""), "hex"));
export const guidText = (bytes: Buffer): string =>
  swap(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
