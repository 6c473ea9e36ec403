// Whether a slot of a logged disk verifies, as dm-verity would find at each block. Only blocks whose content changed since the last
// question are looked at, and the digest of each content is made once.
import { hash } from "node:crypto";
import { blockBytes } from "../../../image/disk/block.ts";
import constants from "../../../nix/constants.json" with { type: "json" };

import { type LoggedDisk, sectorBytes } from "./logged-disk.ts";

const digestBytes = 32;
const sectorsInBlock = blockBytes / sectorBytes;
const salt = Buffer.from(constants.veritySalt, "hex");
const salted = Buffer.concat([salt, Buffer.alloc(blockBytes)]);

function digestOf(block: Buffer): string {
  block.copy(salted, salt.length);
  return hash("sha256", salted, "latin1" as "hex");
}

/** What a slot of one release holds, block by block: proved by the release's root hash. */
export type SlotContent = { root: string[]; tree: string[] };

/** Reads the tree at `offset`. Undefined if it does not lead to `rootHash`. */
export function readContent(disk: LoggedDisk, offset: number, rootHash: string): SlotContent | undefined {
  const head = disk.read(offset, blockBytes);
  if (head.toString("latin1", 0, 6) !== "verity") return undefined;
  const dataBlocks = Number(head.readBigUInt64LE(72));
  const levels: number[] = [];
  for (let count = dataBlocks; count > 1 || levels.length === 0; ) {
    count = Math.ceil(count / (blockBytes / digestBytes));
    levels.push(count);
  }
  const total = 1 + levels.reduce((sum, one) => sum + one, 0);
  const bytes = disk.read(offset, total * blockBytes);
  const blocks = Array.from({ length: total }, (_, index) =>
    bytes.subarray(index * blockBytes, (index + 1) * blockBytes),
  );
  // From the top: each level is vouched for by the one above it.
  let wanted = [Buffer.from(rootHash, "hex").toString("latin1")];
  let at = 1;
  for (const count of levels.toReversed()) {
    const level = blocks.slice(at, at + count);
    if (level.some((block, index) => digestOf(block) !== wanted[index])) return undefined;
    wanted = level.flatMap((block) =>
      Array.from({ length: blockBytes / digestBytes }, (_, index) =>
        block.toString("latin1", index * digestBytes, (index + 1) * digestBytes),
      ),
    );
    at += count;
  }
  return { root: wanted.slice(0, dataBlocks), tree: blocks.map(digestOf) };
}

/** Digests by where a block's content is; shared by everything that reads the same log. */
export type Digests = Map<number, string>;

/** Returns a question: does the range of the disk that begins at `offset` hold these blocks? */
export function watchBlocks(
  disk: LoggedDisk,
  digests: Digests,
  offset: number,
  wanted: readonly string[],
): () => boolean {
  const changed = new Set(wanted.keys());
  const isWrong = new Uint8Array(wanted.length);
  let wrong = 0;
  disk.onChange((at, length) => {
    const last = Math.min(wanted.length - 1, Math.floor((at + length - 1 - offset) / blockBytes));
    for (let block = Math.max(0, Math.floor((at - offset) / blockBytes)); block <= last; block++) changed.add(block);
  });

  function digestAt(block: number): string {
    const place = offset + block * blockBytes;
    const sector = place / sectorBytes;
    const first = disk.placeOf(sector);
    for (let index = 1; index < sectorsInBlock; index++) {
      // Torn, or written in part.
      if (disk.placeOf(sector + index) !== (first === 0 ? 0 : first + index))
        return digestOf(disk.read(place, blockBytes));
    }
    const key = first === 0 ? -sector : first;
    let digest = digests.get(key);
    if (digest === undefined) {
      digest = digestOf(disk.read(place, blockBytes));
      digests.set(key, digest);
    }
    return digest;
  }

  return () => {
    for (const block of changed) {
      const now = digestAt(block) === wanted[block] ? 0 : 1;
      wrong += now - isWrong[block]!;
      isWrong[block] = now;
    }
    changed.clear();
    return wrong === 0;
  };
}
