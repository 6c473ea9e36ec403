// Reads a part once and cuts it into chunks, while the publisher's threads make the digests of its blocks.
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { blockBytes } from "../../image/disk/block.ts";
import type { Tree } from "../format/verity.ts";
import { type Cut, cutChunks, type Foresee, maxChunkBytes } from "./chunker.ts";
import type { SourcePart } from "./image-parts.ts";
import { readInto } from "./read-image.ts";
import type { Chunk } from "./recipes.ts";
import type { Threads } from "./threads/threads.ts";

const pieceBytes = 256 * blockBytes;
/** Pieces whose blocks' digests are being made, beside the one that is read. */
const ahead = 4;

/** `content` holds until the next chunk is asked for. */
export type CutChunk = { chunk: Chunk; content: Buffer };
type Waiting = { bytes: Buffer; offset: number; cuts: Cut[]; blockDigests: Promise<Uint8Array> | undefined };

/** Returns the digest of the part. `tree` gets the digests of its blocks. Throws `image.truncated`. */
export async function* cutPart(
  file: Pick<FileHandle, "read">,
  part: SourcePart,
  path: string,
  { threads, tree, foresee }: { threads: Threads; tree: Tree | undefined; foresee: Foresee },
): AsyncGenerator<CutChunk, string> {
  const whole = createHash("sha256");
  const waiting: Waiting[] = [];
  async function* take(most: number): AsyncGenerator<CutChunk> {
    while (waiting.length > most) {
      const { bytes, offset, cuts, blockDigests } = waiting.shift()!;
      if (blockDigests) tree?.addDigests(await blockDigests);
      let at = 0;
      for (const { length, sha256 } of cuts) {
        const chunk = { part: part.name, offset: offset + at, length, sha256 };
        yield { chunk, content: bytes.subarray(at, at + length) };
        at += length;
      }
    }
  }
  // Before each piece lies what was not cut of the one before.
  const buffers = Array.from({ length: ahead + 2 }, () =>
    Buffer.from(new SharedArrayBuffer(maxChunkBytes + pieceBytes)),
  );
  let rest: Buffer = Buffer.alloc(0);
  let before: string | undefined;
  for (let at = 0, turn = 0; at < part.sizeBytes; at += pieceBytes, turn++) {
    const buffer = buffers[turn % buffers.length]!;
    const end = rest.length + Math.min(pieceBytes, part.sizeBytes - at);
    const bytes = buffer.subarray(0, end);
    bytes.set(rest);
    const piece = bytes.subarray(rest.length);
    await readInto(piece, file, part, at, path);
    const blockDigests = tree && threads.digestBlocks(piece);
    // Whoever waits for it hears of it; until then nobody does.
    blockDigests?.catch(() => {});
    const cuts = cutChunks(bytes, at + piece.length === part.sizeBytes, foresee, before);
    waiting.push({ bytes, offset: at - rest.length, cuts, blockDigests });
    whole.update(piece);
    rest = bytes.subarray(cuts.reduce((sum, { length }) => sum + length, 0));
    before = cuts.at(-1)?.sha256 ?? before;
    yield* take(ahead);
  }
  yield* take(0);
  return whole.digest("hex");
}
