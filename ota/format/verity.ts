// The dm-verity hash tree of a root filesystem, byte for byte as `veritysetup format` writes it: one superblock, then the levels,
// the highest first. Pure: blocks come in, the tree goes out.
// Linux, Documentation/admin-guide/device-mapper/verity.rst; cryptsetup, lib/verity/verity.c.

import { hash } from "node:crypto";
import { blockBytes } from "../../image/disk/block.ts";
import constants from "../../nix/constants.json" with { type: "json" };

const digestBytes = 32;
const digestsInBlock = blockBytes / digestBytes;

export type Tree = {
  /** Takes the next blocks, in order. */
  add(blocks: Uint8Array): void;
  /** The same for blocks whose digests, one behind the other, somebody else has made. */
  addDigests(digests: Uint8Array): void;
  /** After the last block. */
  finish(): { tree: Buffer; rootHash: string };
};

/** Blocks of each level, the one above the data first. */
function levelsOf(dataBlocks: number): number[] {
  const levels: number[] = [];
  for (let count = dataBlocks; count > 1 || levels.length === 0; ) {
    count = Math.ceil(count / digestsInBlock);
    levels.push(count);
  }
  return levels;
}

export const treeBytes = (dataBlocks: number): number =>
  (1 + levelsOf(dataBlocks).reduce((sum, one) => sum + one, 0)) * blockBytes;

export function makeTree(dataBlocks: number): Tree {
  const levels = levelsOf(dataBlocks);
  const tree = Buffer.alloc(treeBytes(dataBlocks));
  superblock(dataBlocks).copy(tree);
  /** Where each level begins: the highest one comes first. */
  const starts = levels.map(
    (_, level) => (1 + levels.slice(level + 1).reduce((sum, one) => sum + one, 0)) * blockBytes,
  );
  let added = 0;
  const addDigests = (digests: Uint8Array) => {
    const count = digests.length / digestBytes;
    if (added + count > dataBlocks) throw new RangeError("more blocks than announced");
    tree.set(digests, starts[0]! + added * digestBytes);
    added += count;
  };
  return {
    add: (blocks) => addDigests(digestBlocks(blocks)),
    addDigests,
    finish() {
      if (added !== dataBlocks) throw new RangeError("fewer blocks than announced");
      const blocksOf = (level: number, count: number) =>
        tree.subarray(starts[level]!, starts[level]! + count * blockBytes);
      levels.forEach((count, level) => {
        if (level + 1 === levels.length) return;
        tree.set(digestBlocks(blocksOf(level, count)), starts[level + 1]!);
      });
      return { tree, rootHash: digestBlocks(blocksOf(levels.length - 1, 1)).toString("hex") };
    },
  };
}

/** Format 1 hashes the salt before the block. */
const salted = Buffer.concat([Buffer.from(constants.veritySalt, "hex"), Buffer.alloc(blockBytes)]);

/** The digest of each block, one behind the other. */
export function digestBlocks(blocks: Uint8Array): Buffer {
  if (blocks.length % blockBytes !== 0) throw new RangeError("not whole blocks");
  const digests = Buffer.alloc((blocks.length / blockBytes) * digestBytes);
  for (let at = 0; at < blocks.length; at += blockBytes) {
    salted.set(blocks.subarray(at, at + blockBytes), salted.length - blockBytes);
    digests.set(hash("sha256", salted, "buffer"), (at / blockBytes) * digestBytes);
  }
  return digests;
}

function superblock(dataBlocks: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const salt = Buffer.from(constants.veritySalt, "hex");
  block.write("verity\0\0", 0, "latin1");
  block.writeUInt32LE(1, 8); // version of the superblock
  block.writeUInt32LE(1, 12); // format of the tree
  block.write(constants.verityUuid.replaceAll("-", ""), 16, "hex");
  block.write("sha256", 32, "latin1");
  block.writeUInt32LE(blockBytes, 64); // of data
  block.writeUInt32LE(blockBytes, 68); // of hashes
  block.writeBigUInt64LE(BigInt(dataBlocks), 72);
  block.writeUInt16LE(salt.length, 80);
  salt.copy(block, 88);
  return block;
}
