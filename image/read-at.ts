// Reading a disk, or a file that holds one, at any place.
import { type FileHandle, open } from "node:fs/promises";

/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

export const readerOf =
  (file: FileHandle): ReadAt =>
  async (offset, length) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };

/** Opens `path` for as long as `use` runs. */
export async function withReader<T>(path: string, use: (readAt: ReadAt) => Promise<T>): Promise<T> {
  const file = await open(path, "r");
  try {
    return await use(readerOf(file));
  } finally {
    await file.close();
  }
}

/** Fills `into` from `offset`, as far as the file goes: what one read gives may be less than there is. */
export async function readFully(file: FileHandle, into: Buffer, offset: number): Promise<Buffer> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return into.subarray(0, done);
}
