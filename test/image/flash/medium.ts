// A card in memory that keeps what it is given, and fails as cards do: too small for what it claims, pulled out, worn.
// It stands where a file handle stands, so `Drive` is the real one over it. It logs each write and flush, for power cuts.
import type { RawHandle } from "../../../image/flash/block-device.ts";

export type Faults = {
  /** What it has, if less than it claims; the rest lands again from its start (`wraps`) or nowhere. */
  realBytes?: number;
  beyond?: "wraps" | "drops";
  /** Pulled out once so much was written. */
  vanishAfterBytes?: number;
  /** Says that all went well, and keeps its old content. */
  isWornOut?: boolean;
  /** This byte comes back with a bit turned over. */
  rottenAt?: number;
  /** Whatever touches this byte fails. */
  badAt?: number;
  /** Takes and gives no more than so much at once. */
  shortBytes?: number;
  /** The flush says that something was lost. */
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

  /** Blocks of 4 KiB, each to where it really lies. */
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
