// Makes the map of a new image: the ranges that a card must hold, with their hashes.
import { hash } from "node:crypto";
import { findProvisionBlock } from "../card/provision.ts";
import { blockBytes } from "../disk/block.ts";
import type { Bmap, MappedRange } from "../disk/bmap.ts";
import { type Extent, Needed } from "../flash/needed.ts";
import { pieceBytes, roundUp } from "../flash/pieces.ts";
import { openImage } from "../flash/source.ts";

/**
 * Ranges are no longer than a piece, so checking one takes one buffer. The provision block has no hash: a provisioned image
 * is still this image.
 */
export async function mapImage(path: string): Promise<Bmap> {
  const { offset: mutable, length: mutableBytes } = await findProvisionBlock(path);
  // In whole blocks: neighboring bytes in the same block have no hash either.
  const first = Math.floor(mutable / blockBytes) * blockBytes;
  const end = roundUp(mutable + mutableBytes, blockBytes);
  const source = await openImage(path);
  try {
    const needed = new Needed(source.regions);
    const ranges: MappedRange[] = [];
    const add = (bytes: Buffer, { offset, length }: Extent) => {
      const sha256 = offset === first ? undefined : hash("sha256", bytes.subarray(0, length), "hex");
      ranges.push({ offset, length, sha256 });
    };
    const cuts = [...source.regions.map(({ offset }) => offset), first, end].toSorted((a, b) => a - b);
    for await (const { offset, bytes, release } of source.pieces({ cuts })) {
      const extent = needed.of(offset, bytes);
      if (extent) {
        for (let at = extent.offset; at < offset; at += pieceBytes) {
          const length = Math.min(pieceBytes, offset - at);
          add(Buffer.alloc(length), { offset: at, length });
        }
        add(bytes, { offset, length: extent.offset + extent.length - offset });
      }
      release();
    }
    return { imageBytes: source.image.sizeBytes, ranges };
  } finally {
    await source.close();
  }
}
