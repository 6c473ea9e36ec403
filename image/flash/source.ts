// The source of an image: a file, a compressed file or a pipe, recognised by its first bytes, not by its name. A plain file is
// read at the needed places; a stream is read once, in order.

import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { HamletError } from "../../system/error.ts";
import { readerOf, readFully } from "../disk/read-at.ts";
import { headBytes, type ImageHead, readHead } from "./head.ts";
import type { Extent } from "./needed.ts";
import { Buffers, type Piece, pieceBytes } from "./pieces.ts";
import { compressionOf, unpack } from "./unpack.ts";

export type ImageSource = ImageHead & {
  name: string;
  /**
   * The pieces in order, cut at each of `cuts`; with `only`, just those extents. Throws `image.truncated`, `image.wrongSize`
   * or `image.damaged`, at the latest after the last piece.
   */
  pieces(options: { cuts: readonly number[]; only?: readonly Extent[]; signal?: AbortSignal }): AsyncGenerator<Piece>;
  /** Reads a part again, unless the image is a pipe; a compressed file is unpacked again for it. */
  again?(extent: Extent): Promise<Buffer>;
  close(): Promise<void>;
};

/** One is read, one is hashed, and two are written. */
const bufferCount = 4;

/** `-` is stdin. Throws the errors of `readHead`, or the system's. */
export async function openImage(path: string): Promise<ImageSource> {
  if (path === "-") return await openStream(process.stdin, "what came by stdin");
  const facts = await stat(path);
  if (facts.isDirectory())
    throw new HamletError("image.notOurs", `${path} is a folder, not an image`, { hint: "name the image file in it" });
  const isFile = facts.isFile();
  if (isFile) {
    const file = await open(path, "r");
    try {
      const magic = await readFully(file, Buffer.alloc(8), 0);
      if (compressionOf(magic) === undefined) return await openPlain(file, path);
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
  // Also a pipe, as from `hamlet flash <(curl ...)`.
  const source = await openStream(createReadStream(path, { highWaterMark: 1 << 20 }), path);
  return isFile ? { ...source, again: (extent) => unpackAgain(path, extent) } : source;
}

/** Unpacks from the beginning, to find out whether a fault is the image's. */
async function unpackAgain(path: string, extent: Extent): Promise<Buffer> {
  const source = await openImage(path);
  try {
    const parts: Buffer[] = [];
    let lengthBytes = 0;
    for await (const { bytes, release } of source.pieces({ cuts: [], only: [extent] })) {
      parts.push(Buffer.from(bytes));
      release();
      lengthBytes += bytes.length;
      if (lengthBytes >= extent.length) break;
    }
    return Buffer.concat(parts);
  } finally {
    await source.close();
  }
}

async function openPlain(file: FileHandle, name: string): Promise<ImageSource> {
  const readAt = readerOf(file);
  const head = await readHead(readAt, name);
  const { size } = await file.stat();
  if (size !== head.image.sizeBytes) throw wrongSize(name, size, head.image.sizeBytes);
  return {
    ...head,
    name,
    async *pieces({ cuts, only = [{ offset: 0, length: size }], signal }) {
      const buffers = new Buffers(bufferCount);
      for (const extent of only) {
        for (let at = extent.offset; at < extent.offset + extent.length; ) {
          signal?.throwIfAborted();
          const end = Math.min(nextCut(cuts, at), extent.offset + extent.length, at + pieceBytes);
          const buffer = await buffers.take();
          const bytes = await readFully(file, buffer.subarray(0, end - at), at);
          if (bytes.length < end - at) throw wrongSize(name, at + bytes.length, size);
          yield { offset: at, bytes, release: () => buffers.give(buffer) };
          at = end;
        }
      }
    },
    again: ({ offset, length }) => readAt(offset, length),
    close: () => file.close(),
  };
}

async function openStream(packed: NodeJS.ReadableStream & { destroy(): unknown }, name: string): Promise<ImageSource> {
  const chunks = unpack(packed as AsyncIterable<Buffer>, name)[Symbol.asyncIterator]();
  const close = async () => {
    packed.destroy();
    await chunks.return?.(undefined);
  };
  try {
    const kept: Buffer[] = [];
    for (let length = 0; length < headBytes; ) {
      const { value, done } = await chunks.next();
      if (done) break;
      kept.push(value);
      length += value.length;
    }
    const start = Buffer.concat(kept);
    const head = await readHead(async (offset, length) => start.subarray(offset, offset + length), name);
    return {
      ...head,
      name,
      pieces: (options) => streamPieces(start, chunks, name, head.image.sizeBytes, options),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function* streamPieces(
  start: Buffer,
  chunks: AsyncIterator<Buffer>,
  name: string,
  sizeBytes: number,
  { cuts, only, signal }: { cuts: readonly number[]; only?: readonly Extent[]; signal?: AbortSignal },
): AsyncGenerator<Piece> {
  const buffers = new Buffers(bufferCount);
  const borders = only ? [...cuts, ...only.flatMap(({ offset, length }) => [offset, offset + length])] : cuts;
  const sorted = borders.toSorted((a, b) => a - b);
  const isWanted = (at: number) => !only || only.some(({ offset, length }) => at >= offset && at < offset + length);
  let chunk = start;
  let at = 0;
  /** The next bytes, of any number; undefined at the end. */
  const more = async (): Promise<Buffer | undefined> => {
    while (chunk.length === 0) {
      const { value, done } = await chunks.next();
      if (done) return undefined;
      chunk = value;
    }
    return chunk;
  };
  while (at < sizeBytes) {
    signal?.throwIfAborted();
    const end = Math.min(nextCut(sorted, at), sizeBytes, at + pieceBytes);
    const buffer = isWanted(at) ? await buffers.take() : undefined;
    for (let filled = 0; filled < end - at; ) {
      const bytes = await more();
      if (!bytes) throw wrongSize(name, at + filled, sizeBytes);
      const part = bytes.subarray(0, end - at - filled);
      if (buffer) part.copy(buffer, filled);
      filled += part.length;
      chunk = bytes.subarray(part.length);
    }
    if (buffer) {
      yield { offset: at, bytes: buffer.subarray(0, end - at), release: () => buffers.give(buffer) };
    }
    at = end;
  }
  // A compressed stream shows only at its end whether it is complete.
  if ((await more()) !== undefined) throw wrongSize(name, sizeBytes + 1, sizeBytes);
}

/** `cuts` in ascending order. */
function nextCut(cuts: readonly number[], at: number): number {
  return cuts.find((cut) => cut > at) ?? Number.POSITIVE_INFINITY;
}

function wrongSize(name: string, bytes: number, wanted: number): HamletError {
  const hint = "the copy or the download was cut off: make or fetch the image again";
  return bytes < wanted
    ? new HamletError("image.truncated", `${name} ends after ${bytes} of ${wanted} bytes`, { hint })
    : new HamletError("image.wrongSize", `${name} has more than its ${wanted} bytes`, {
        hint: "something was added to it: build or download the image again",
      });
}
