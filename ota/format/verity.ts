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
  add(blocks: Buffer): void;
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
  // Format 1 hashes the salt before the block.
  const salted = Buffer.concat([Buffer.from(constants.veritySalt, "hex"), Buffer.alloc(blockBytes)]);
  const digest = (block: Buffer): Buffer => {
    block.copy(salted, salted.length - blockBytes);
    return hash("sha256", salted, "buffer");
  };
  let added = 0;
  return {
    add(blocks) {
      if (blocks.length % blockBytes !== 0) throw new RangeError("not whole blocks");
      for (let at = 0; at < blocks.length; at += blockBytes) {
        if (added === dataBlocks) throw new RangeError("more blocks than announced");
        digest(blocks.subarray(at, at + blockBytes)).copy(tree, starts[0]! + added * digestBytes);
        added += 1;
      }
    },
    finish() {
      if (added !== dataBlocks) throw new RangeError("fewer blocks than announced");
      const blockAt = (level: number, index: number) =>
        tree.subarray(starts[level]! + index * blockBytes, starts[level]! + (index + 1) * blockBytes);
      levels.forEach((count, level) => {
        if (level + 1 === levels.length) return;
        for (let index = 0; index < count; index++) {
          digest(blockAt(level, index)).copy(tree, starts[level + 1]! + index * digestBytes);
        }
      });
      return { tree, rootHash: digest(blockAt(levels.length - 1, 0)).toString("hex") };
    },
  };
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
