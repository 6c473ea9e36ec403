// A card in memory that fails as real cards do: smaller than it claims, pulled out, worn. It replaces the file handle below the
// real `Drive`, and logs each write and flush so that tests can cut the power.
import type { RawHandle } from "../../../image/flash/block-device.ts";

export type Faults = {
  /** Its real size, if smaller than it claims; writes beyond it go to its start (`wraps`) or are dropped (`drops`). */
  realBytes?: number;
  beyond?: "wraps" | "drops";
  /** Pulled out after this many bytes were written. */
  vanishAfterBytes?: number;
  /** Reports success but keeps its old content. */
  isWornOut?: boolean;
  /** Returns this byte with one bit flipped. */
  rottenAt?: number;
  /** Every access to this byte fails. */
  badAt?: number;
  /** Reads and writes at most this many bytes at once. */
  shortBytes?: number;
  /** A flush reports a lost write. */
  losesOnFlush?: boolean;
};
export type Entry = { offset: number; bytes: Buffer } | "flush";

export class Medium {
  readonly stored: Buffer;
  readonly log: Entry[] = [];
  readonly sizeBytes: number;
  #writtenBytes = 0;
  #faults: Faults;

  constructor(sizeBytes: number, faults: Faults = {}, fill = 0xa5) {
    this.sizeBytes = sizeBytes;
    this.#faults = faults;
    this.stored = Buffer.alloc(faults.realBytes ?? sizeBytes, fill);
  }

  handle(): RawHandle {
    const handle = {
      read: async (into: Buffer, at: number, length: number, offset: number) => {
        this.#check(offset, length);
        const part = this.#part(length, offset);
        this.#copy(part, offset, (own, from, to) => own.copy(into, at + from, 0, to - from));
        const { rottenAt = -1 } = this.#faults;
        if (rottenAt >= offset && rottenAt < offset + part) into[at + rottenAt - offset]! ^= 1;
        return { bytesRead: part, buffer: into };
      },
      write: async (bytes: Buffer, at: number, length: number, offset: number) => {
        this.#check(offset, length);
        const part = this.#part(length, offset);
        this.#writtenBytes += part;
        this.log.push({ offset, bytes: Buffer.from(bytes.subarray(at, at + part)) });
        if (!this.#faults.isWornOut) {
          this.#copy(part, offset, (own, from, to) => bytes.copy(own, 0, at + from, at + to));
        }
        return { bytesWritten: part, buffer: bytes };
      },
      sync: async () => {
        this.#check(0, 0);
        if (this.#faults.losesOnFlush) throw errno("EIO");
        this.log.push("flush");
      },
      close: async () => {},
    };
    return handle as unknown as RawHandle;
  }

  #part(length: number, offset: number): number {
    return Math.min(length, this.#faults.shortBytes ?? length, this.sizeBytes - offset);
  }

  #check(offset: number, length: number): void {
    const { vanishAfterBytes = Number.POSITIVE_INFINITY, badAt = -1 } = this.#faults;
    if (this.#writtenBytes >= vanishAfterBytes) throw errno("ENODEV");
    if (badAt >= offset && badAt < offset + length) throw errno("EIO");
  }

  /** Splits an access into blocks of 4 KiB and maps each to its real position. */
  #copy(length: number, offset: number, move: (own: Buffer, from: number, to: number) => void): void {
    for (let at = 0; at < length; ) {
      const step = Math.min(4096 - ((offset + at) % 4096), length - at);
      const claimed = offset + at;
      const real = this.#faults.beyond === "wraps" ? claimed % this.stored.length : claimed;
      if (real < this.stored.length) move(this.stored.subarray(real, real + step), at, at + step);
      at += step;
    }
  }
}

const errno = (code: string): Error => Object.assign(new Error(code), { code });
