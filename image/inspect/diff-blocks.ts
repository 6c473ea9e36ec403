// Compares two images block by block: how much differs in each partition, and how much a device with the older one would have to
// fetch of the newer one.

import { hash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { blockBytes } from "../disk/block.ts";
import type { ReadAt } from "../disk/read-at.ts";

type Partition = { label: string; firstByte: number; sizeBytes: number };
/** `blocks` are those of the longer of the two. */
export type BlockChange = { label: string; blocks: number; changedBlocks: number };
/** Bytes in blocks that occur nowhere in the same partition of the older image, plain and compressed by zstd. */
export type UpdateSize = { newBytes: number; packedBytes: number };

const chunkBytes = 1 << 20;

export async function diffBlocks(
  readBefore: ReadAt,
  before: Partition[],
  readAfter: ReadAt,
  after: Partition[],
): Promise<BlockChange[]> {
  const labels = [...new Set([...before, ...after].map(({ label }) => label))];
  const changes: BlockChange[] = [];
  for (const label of labels) {
    const [old, now] = [before.find((one) => one.label === label), after.find((one) => one.label === label)];
    const sizeBytes = Math.max(old?.sizeBytes ?? 0, now?.sizeBytes ?? 0);
    let changedBlocks = 0;
    for (let at = 0; at < sizeBytes; at += chunkBytes) {
      const [was, is] = [await chunkOf(readBefore, old, at), await chunkOf(readAfter, now, at)];
      // A table may claim more than its disk has.
      if (!was && !is) break;
      if (!(was ?? zeros).equals(is ?? zeros)) changedBlocks += countChanged(was ?? zeros, is ?? zeros);
    }
    changes.push({ label, blocks: Math.ceil(sizeBytes / blockBytes), changedBlocks });
  }
  return changes;
}

/** Bytes beyond a partition's end count as zeros; undefined if there is nothing more to read. */
async function chunkOf(readAt: ReadAt, partition: Partition | undefined, at: number): Promise<Buffer | undefined> {
  const left = Math.max(0, Math.min(chunkBytes, (partition?.sizeBytes ?? 0) - at));
  const bytes = left === 0 ? Buffer.alloc(0) : await readAt(partition!.firstByte + at, left);
  if (bytes.length === 0) return undefined;
  return bytes.length === chunkBytes ? bytes : Buffer.concat([bytes, Buffer.alloc(chunkBytes - bytes.length)]);
}

export function countChanged(before: Buffer, after: Buffer): number {
  let changed = 0;
  for (let at = 0; at < before.length; at += blockBytes) {
    if (before.compare(after, at, at + blockBytes, at, at + blockBytes) !== 0) changed += 1;
  }
  return changed;
}

/** The partitions that an update carries: the root filesystem, and the firmware's partition with kernel and initrd. */
const carried = ["root-a", "esp", "boot-a"];

export async function updateSize(
  readBefore: ReadAt,
  before: Partition[],
  readAfter: ReadAt,
  after: Partition[],
): Promise<UpdateSize> {
  const size: UpdateSize = { newBytes: 0, packedBytes: 0 };
  for (const now of after.filter(({ label }) => carried.includes(label))) {
    const old = before.find(({ label }) => label === now.label);
    const known = new Set<string>([digestOf(Buffer.alloc(blockBytes))]);
    for await (const block of blocksOf(readBefore, old)) known.add(digestOf(block));
    let pending: Buffer[] = [];
    const pack = () => {
      const bytes = Buffer.concat(pending);
      pending = [];
      size.newBytes += bytes.length;
      if (bytes.length > 0) size.packedBytes += zstdCompressSync(bytes).length;
    };
    for await (const block of blocksOf(readAfter, now)) {
      const digest = digestOf(block);
      if (known.has(digest)) continue;
      known.add(digest);
      if (pending.push(block) * blockBytes >= chunkBytes) pack();
    }
    pack();
  }
  return size;
}

const digestOf = (block: Buffer): string => hash("sha256", block, "base64");

async function* blocksOf(readAt: ReadAt, partition: Partition | undefined): AsyncGenerator<Buffer> {
  if (!partition) return;
  for (let at = 0; at < partition.sizeBytes; at += chunkBytes) {
    const chunk = await chunkOf(readAt, partition, at);
    if (!chunk) return;
    if (chunk.equals(zeros)) continue;
    for (let block = 0; block < chunk.length; block += blockBytes) yield chunk.subarray(block, block + blockBytes);
  }
}

const zeros = Buffer.alloc(chunkBytes);
