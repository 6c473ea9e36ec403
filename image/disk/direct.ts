// Reads from the medium, past the page cache: cached bytes may differ from those that survive a power cut.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoOf } from "../../system/error.ts";
import { alignedBuffer } from "../flash/pieces.ts";
import { readFully } from "./read-at.ts";

/** Direct I/O, or usual I/O where the file system has none: one in memory has no medium either. */
export async function openDirect(path: string): Promise<FileHandle> {
  const { O_RDONLY, O_DIRECT = 0 } = constants;
  return await open(path, O_RDONLY | O_DIRECT).catch((error: unknown) => {
    if (errnoOf(error) === "EINVAL") return open(path, O_RDONLY);
    throw error;
  });
}

const pieceBytes = 1 << 20;

/** The content of `path` in pieces that share one buffer. */
export async function* readDirect(path: string): AsyncGenerator<Buffer, void> {
  const file = await openDirect(path);
  try {
    const buffer = alignedBuffer(pieceBytes);
    for (let at = 0; ; at += pieceBytes) {
      const piece = await readFully(file, buffer, at);
      if (piece.length > 0) yield piece;
      if (piece.length < pieceBytes) return;
    }
  } finally {
    await file.close();
  }
}
