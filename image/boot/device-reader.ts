// Reads of a block device, or of a file that holds one.
import { open } from "node:fs/promises";
import type { ReadAt } from "../fat.ts";

export async function deviceReader<T>(path: string, use: (readAt: ReadAt) => Promise<T>): Promise<T> {
  const file = await open(path, "r");
  try {
    return await use(async (offset, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    });
  } finally {
    await file.close();
  }
}
