// Detects a drive that lies about its size before it is used. Such a card accepts writes beyond its end and drops them or
// overwrites other data with them.
import { HamletError } from "../../system/error.ts";
import { blockBytes } from "../disk/block.ts";
import type { BlockDevice } from "./block-device.ts";
import { alignedBuffer } from "./pieces.ts";

const mib = 1 << 20;

/**
 * The places of the marks. Controllers that wrap do so at a power of two, so a mark at each power overwrites the one near zero;
 * evenly spread marks and one in the last block detect controllers that drop writes.
 */
function markOffsets(sizeBytes: number): number[] {
  const last = Math.floor(sizeBytes / blockBytes) * blockBytes - blockBytes;
  const near = mib / 2;
  const powers = Array.from({ length: 44 }, (_, power) => mib * 2 ** power + near);
  const spread = Array.from({ length: 32 }, (_, part) => Math.floor((last / 32) * part));
  const offsets = [near, ...powers, ...spread, last].map((offset) => Math.floor(offset / blockBytes) * blockBytes);
  return [...new Set(offsets)].filter((offset) => offset >= near && offset <= last).toSorted((a, b) => a - b);
}

/** Overwrites the marked blocks. `nonce` differs each time, so that marks of an earlier run do not count. Throws `flash.lyingSize`. */
export async function probeSize(device: BlockDevice, nonce: Buffer): Promise<void> {
  const offsets = markOffsets(device.sizeBytes);
  const block = alignedBuffer(blockBytes);
  const markAt = (offset: number): Buffer => {
    const mark = Buffer.alloc(32);
    nonce.copy(mark, 0, 0, 16);
    mark.writeBigUInt64LE(BigInt(offset), 16);
    mark.write("hamlet", 24);
    return mark;
  };
  // Write from the end: of two marks in one place the lower stays, so the first wrong mark shows the real size.
  for (const offset of offsets.toReversed()) {
    block.fill(markAt(offset));
    await device.write(block, offset);
  }
  await device.flush();
  await device.dropCache();
  for (const offset of offsets) {
    await device.read(block, offset);
    if (block.subarray(0, 32).equals(markAt(offset))) continue;
    const holds = `${(offset / mib).toFixed(0)} MiB`;
    throw new HamletError(
      "flash.lyingSize",
      `${device.path} claims ${(device.sizeBytes / mib).toFixed(0)} MiB but does not keep what is written at ${holds}`,
      { hint: "it is a counterfeit or worn out: use another one" },
    );
  }
}
