// Reads a disk or an image at any place. Offset and length may come from an untrusted disk: an impossible place counts as beyond
// the end, and memory is allocated only for bytes that exist.
import { type FileHandle, open } from "node:fs/promises";

/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

/** Allocated at once; a larger read grows with the bytes that the file has. */
const stepBytes = 1 << 20;

export const readerOf =
  (file: Pick<FileHandle, "read">): ReadAt =>
  async (offset, length) => {
    const end = offset + length;
    const isPlace = offset >= 0 && length > 0 && Number.isSafeInteger(offset) && Number.isSafeInteger(end);
    if (!isPlace) return Buffer.alloc(0);
    const pieces: Buffer[] = [];
    for (let at = offset; at < end; ) {
      const wanted = Math.min(stepBytes, end - at);
      const piece = await readFully(file, Buffer.alloc(wanted), at);
      pieces.push(piece);
      at += piece.length;
      if (piece.length < wanted) break;
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  };

/** The concatenated bytes of `extents`; stops at the first that is cut short. */
export async function readExtents(
  readAt: ReadAt,
  extents: readonly { offset: number; length: number }[],
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (const { offset, length } of extents) {
    const piece = await readAt(offset, length);
    pieces.push(piece);
    if (piece.length < length) break;
  }
  return Buffer.concat(pieces);
}

/** Opens `path` while `use` runs. */
export async function withReader<T>(path: string, use: (readAt: ReadAt) => Promise<T>): Promise<T> {
  const file = await open(path, "r");
  try {
    return await use(readerOf(file));
  } finally {
    await file.close();
  }
}

/** Fills `into` from `offset`, as far as the file goes; a single read may return less. */
export async function readFully(file: Pick<FileHandle, "read">, into: Buffer, offset: number): Promise<Buffer> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return into.subarray(0, done);
}
