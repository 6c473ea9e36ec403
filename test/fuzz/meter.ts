// Counts what a reader asks of files, through the file handles themselves, and stops one that asks for more than it may.
import { type FileHandle, open } from "node:fs/promises";

export type Limits = { reads: number; bytes: number };

/** Bytes in memory as a file handle gives them. */
export const memoryFile = (content: Buffer): Pick<FileHandle, "read"> =>
  ({
    read: async (into: Buffer, at: number, length: number, position: number) => {
      meter.count(length);
      // As the system does: a place that it can not count to is refused.
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

  /** Every file handle of this process is counted while `work` runs. */
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
