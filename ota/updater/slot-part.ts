// A part of a slot on the disk: written through the page cache, synced, and read past it. Cached bytes may be better than those of
// the medium, which count.
import { type FileHandle, open, readFile, readlink, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { blockBytes } from "../../image/disk/block.ts";
import { openDirect } from "../../image/disk/direct.ts";
import { readFully } from "../../image/disk/read-at.ts";
import { alignedBuffer, roundUp } from "../../image/flash/pieces.ts";
import { HamletError } from "../../system/error.ts";
import { maxStepBytes } from "../format/recipe.ts";

export type SlotPart = {
  /** What fits into it. */
  sizeBytes: number;
  /** What the medium has, until the next call; fewer bytes at the end. */
  read(offset: number, length: number): Promise<Buffer>;
  /** Throws `update.writeFailed`. */
  write(bytes: Buffer, offset: number): Promise<void>;
  /** What was written survives a power cut. Throws `update.writeFailed`. */
  sync(): Promise<void>;
  /** The first `length` bytes that the medium has, in pieces that share one buffer. */
  readBack(length: number): AsyncIterable<Buffer>;
  close(): Promise<void>;
};

/** As long as a step of a recipe may be. */
const pieceBytes = maxStepBytes;

/** `path` leads to the partition, `sys` is /sys. One call at a time: they share a buffer. */
export async function openSlotPart(path: string, sys: string): Promise<SlotPart> {
  const orRefuse = (cause: unknown) => {
    throw unwritable(path, cause);
  };
  const sizeBytes = await sizeOf(path, sys).catch(orRefuse);
  const direct = await openDirect(path).catch(orRefuse);
  const file = await open(path, "r+").catch(async (cause: unknown) => {
    await direct.close();
    return orRefuse(cause);
  });
  const buffer = alignedBuffer(pieceBytes + 2 * blockBytes);
  const orUnwritable = async (act: () => Promise<unknown>) => {
    try {
      await act();
    } catch (cause) {
      throw unwritable(path, cause);
    }
  };
  return {
    sizeBytes,
    async read(offset, length) {
      const start = offset - (offset % blockBytes);
      const window = buffer.subarray(0, roundUp(offset + length, blockBytes) - start);
      const found = await readFully(direct, window, start);
      return found.subarray(offset - start, offset - start + length);
    },
    write: (bytes, offset) => orUnwritable(() => writeFully(file, bytes, offset)),
    sync: () => orUnwritable(() => file.datasync()),
    async *readBack(length) {
      for (let at = 0; at < length; at += pieceBytes) {
        const wanted = Math.min(pieceBytes, length - at);
        const piece = await readFully(direct, buffer.subarray(0, roundUp(wanted, blockBytes)), at);
        if (piece.length < wanted) throw unwritable(path, new RangeError("it ends too early"));
        yield piece.subarray(0, wanted);
      }
    },
    async close() {
      await file.close();
      await direct.close();
    },
  };
}

const unwritable = (path: string, cause: unknown) =>
  new HamletError("update.writeFailed", `${basename(path)} cannot be written`, {
    cause,
    hint: "the running slot is untouched; if it happens again, replace the card or disk",
  });

async function writeFully(file: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}

/** A block device has no size of its own in stat(2). */
async function sizeOf(path: string, sys: string): Promise<number> {
  const facts = await stat(path);
  if (!facts.isBlockDevice()) return facts.size;
  const name = basename(await readlink(path).catch(() => path));
  return Number(await readFile(join(sys, "class/block", name, "size"), "utf8")) * 512;
}
