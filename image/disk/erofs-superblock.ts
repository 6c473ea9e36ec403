// Reads the superblock of an erofs: block size, length, root folder (Linux, fs/erofs/erofs_fs.h).
// Pure.

/** From the start of the file system. */
export const superblockOffset = 1024;
export const superblockBytes = 128;
const magic = 0xe0f5e1e2;

export type ErofsSuperblock = { blockBytes: number; sizeBytes: number; rootNid: number; metaBlock: number };

/** Undefined if `bytes` are not a superblock. */
export function readErofsSuperblock(bytes: Buffer): ErofsSuperblock | undefined {
  if (bytes.length < superblockBytes || bytes.readUInt32LE(0) !== magic) return undefined;
  const blockBits = bytes.readUInt8(12);
  if (blockBits < 9 || blockBits > 16) return undefined;
  const blockBytes = 1 << blockBits;
  return {
    blockBytes,
    sizeBytes: bytes.readUInt32LE(36) * blockBytes,
    rootNid: bytes.readUInt16LE(14),
    metaBlock: bytes.readUInt32LE(40),
  };
}
