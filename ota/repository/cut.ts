// Reads a part once and cuts it into chunks. This thread finds the cuts; the publisher's others make the digests of what it has cut.
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { blockBytes } from "../../image/disk/block.ts";
import type { Tree } from "../format/verity.ts";
import { chunkLengths, maxChunkBytes } from "./chunker.ts";
import type { SourcePart } from "./image-parts.ts";
import { readInto } from "./read-image.ts";
import type { Chunk } from "./recipes.ts";
import type { Digests } from "./threads/tasks.ts";
import type { Threads } from "./threads/threads.ts";

const pieceBytes = 256 * blockBytes;
/** Pieces whose digests are being made, beside the one that is read. */
const ahead = 4;

/** `content` holds until the next chunk is asked for. */
export type CutChunk = { chunk: Chunk; content: Buffer };
type Waiting = { bytes: Buffer; offset: number; lengths: number[]; digests: Promise<Digests> };

/** Returns the digest of the part. `tree` gets the digests of its blocks. Throws `image.truncated`. */
export async function* cutPart(
  file: Pick<FileHandle, "read">,
  part: SourcePart,
  path: string,
  { threads, tree }: { threads: Threads; tree: Tree | undefined },
): AsyncGenerator<CutChunk, string> {
  const whole = createHash("sha256");
  const waiting: Waiting[] = [];
  async function* take(most: number): AsyncGenerator<CutChunk> {
    while (waiting.length > most) {
      const { bytes, offset, lengths, digests } = waiting.shift()!;
      const { sha256, blocks } = await digests;
      if (blocks) tree?.addDigests(blocks);
      let at = 0;
      for (const [index, length] of lengths.entries()) {
        const chunk = { part: part.name, offset: offset + at, length, sha256: sha256[index]! };
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
  for (let at = 0, turn = 0; at < part.sizeBytes; at += pieceBytes, turn++) {
    const buffer = buffers[turn % buffers.length]!;
    const end = rest.length + Math.min(pieceBytes, part.sizeBytes - at);
    const bytes = buffer.subarray(0, end);
    bytes.set(rest);
    const piece = bytes.subarray(rest.length);
    await readInto(piece, file, part, at, path);
    const lengths = chunkLengths(bytes, at + piece.length === part.sizeBytes);
    const digests = threads.digest({ bytes, lengths, ...(tree && { blocksFrom: rest.length }) });
    // Whoever waits for it hears of it; until then nobody does.
    digests.catch(() => {});
    waiting.push({ bytes, offset: at - rest.length, lengths, digests });
    whole.update(piece);
    rest = bytes.subarray(lengths.reduce((sum, one) => sum + one, 0));
    yield* take(ahead);
  }
  yield* take(0);
  return whole.digest("hex");
}
