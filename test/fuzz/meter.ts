// Counts a reader's file reads inside the file handles themselves, and stops a reader that exceeds its limits.
import { type FileHandle, open } from "node:fs/promises";

export type Limits = { reads: number; bytes: number };

/** A buffer in memory with the interface of a file handle. */
export const memoryFile = (content: Buffer): Pick<FileHandle, "read"> =>
  ({
    read: async (into: Buffer, at: number, length: number, position: number) => {
      meter.count(length);
      // Refuse positions that are not safe integers, as the system does.
      if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`position ${position}`);
      const found = content.subarray(position, position + length);
      return { bytesRead: found.copy(into, at), buffer: into };
    },
  }) as unknown as Pick<FileHandle, "read">;

class Meter {
  #left: Limits | undefined;

  count(bytes: number): void {
    if (!this.#left) return;
    this.#left.reads -= 1;
    this.#left.bytes -= bytes;
    if (this.#left.reads < 0 || this.#left.bytes < 0) throw new Error("it reads without end");
  }

  /** Counts the reads of every file handle in this process while `work` runs. */
  async within<T>(limits: Limits, work: () => Promise<T>): Promise<T> {
    await using probe = await open(import.meta.filename);
    const handles = Object.getPrototypeOf(probe) as FileHandle;
    const original = handles.read;
    this.#left = { ...limits };
    handles.read = function (this: FileHandle, ...args: unknown[]) {
      meter.count(typeof args[2] === "number" ? args[2] : 0);
      return (original as (...all: unknown[]) => Promise<never>).apply(this, args);
    } as FileHandle["read"];
    try {
      return await work();
    } finally {
      handles.read = original;
      this.#left = undefined;
    }
  }
}
export const meter = new Meter();
