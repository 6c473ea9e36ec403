// Decides which bytes of an image must be written to a card. The rest keeps its old content: the space in a slot after its file
// system, an empty slot, the free clusters of a FAT. Zeros that something reads are needed like other bytes: in a FAT a zero
// means "free", in a journal "no older entry", and under dm-verity any other byte stops the machine.
// Pure.

import { blockBytes } from "../disk/block.ts";
import { readErofsSuperblock, superblockOffset } from "../disk/erofs-superblock.ts";
import { isZero } from "../disk/holes.ts";
import { roundUp } from "./pieces.ts";

/** A part of the disk that is examined by itself: a partition, or a gap between two. */
export type Region = { offset: number; sizeBytes: number };
export type Extent = { offset: number; length: number };

/** The length of a file system, from its first bytes; undefined for an unknown one, of which all bytes are needed. */
export function usedBytes(head: Buffer): number | undefined {
  return fatBytes(head) ?? erofsBytes(head) ?? verityBytes(head);
}

/** To the end of the last cluster in use. */
function fatBytes(head: Buffer): number | undefined {
  if (head.length < 512 || head.readUInt16LE(510) !== 0xaa55 || head.readUInt16LE(11) !== 512) return undefined;
  const clusterBytes = head.readUInt8(13) * 512;
  const rootEntries = head.readUInt16LE(17);
  const isFat16 = head.readUInt16LE(22) > 0;
  const fatLength = (isFat16 ? head.readUInt16LE(22) : head.readUInt32LE(36)) * 512;
  const fatOffset = head.readUInt16LE(14) * 512;
  if (clusterBytes === 0 || fatLength === 0 || isFat16 !== rootEntries > 0) return undefined;
  // A table that is only partly visible tells nothing.
  if (fatOffset + fatLength > head.length) return undefined;
  const entryBytes = isFat16 ? 2 : 4;
  let last = fatLength / entryBytes - 1;
  for (; last >= 2; last--) {
    const at = fatOffset + last * entryBytes;
    if ((isFat16 ? head.readUInt16LE(at) : head.readUInt32LE(at) & 0x0fffffff) !== 0) break;
  }
  const dataOffset = fatOffset + head.readUInt8(16) * fatLength + roundUp(rootEntries * 32, 512);
  return dataOffset + (last - 1) * clusterBytes;
}

const erofsBytes = (head: Buffer): number | undefined =>
  readErofsSuperblock(head.subarray(superblockOffset))?.sizeBytes;

/** cryptsetup, lib/verity: a header block, then the tree of sha256 hashes. */
function verityBytes(head: Buffer): number | undefined {
  if (head.length < 512 || head.toString("latin1", 0, 8) !== "verity\0\0") return undefined;
  const hashBlockBytes = head.readUInt32LE(68);
  const perBlock = hashBlockBytes / 32;
  if (head.toString("latin1", 32, 39) !== "sha256\0" || perBlock < 2 || !Number.isInteger(perBlock)) return undefined;
  let total = 1;
  let blocks = Number(head.readBigUInt64LE(72));
  do {
    blocks = Math.ceil(blocks / perBlock);
    total += blocks;
  } while (blocks > 1);
  return total * hashBlockBytes;
}

/** Takes an image piece by piece, in order, none across a border between regions, and returns the needed parts. */
export class Needed {
  readonly #regions: readonly Region[];
  #at = 0;
  #state: { kind: "used"; end: number } | { kind: "empty"; since: number } = { kind: "empty", since: 0 };

  /** In disk order, without gaps. */
  constructor(regions: readonly Region[]) {
    this.#regions = regions;
  }

  /** Undefined if none is needed. The extent may reach back: if a region that began with zeros turns out to be used, those zeros are needed too. */
  of(offset: number, bytes: Buffer): Extent | undefined {
    const region = this.#regions[this.#at];
    if (!region) throw new RangeError(`no region at byte ${offset}`);
    if (offset === region.offset) {
      const used = usedBytes(bytes);
      this.#state = used === undefined ? { kind: "empty", since: offset } : { kind: "used", end: offset + used };
    }
    const end = offset + bytes.length;
    if (end >= region.offset + region.sizeBytes) this.#at++;
    if (this.#state.kind === "empty") {
      if (isZero(bytes)) return undefined;
      const { since } = this.#state;
      this.#state = { kind: "used", end: Number.POSITIVE_INFINITY };
      return { offset: since, length: end - since };
    }
    const length = Math.min(end, roundUp(this.#state.end, blockBytes)) - offset;
    return length > 0 ? { offset, length } : undefined;
  }
}
