// An image on its way: pieces of at most 4 MiB in buffers that are used again and again.

/** What cards and SSDs take at once without waiting, and little enough to lose nothing by stopping between two. */
export const pieceBytes = 4 << 20;
/** Direct I/O wants memory, offsets and lengths in whole blocks; no drive has larger ones. */
export const blockBytes = 4096;

/** A part of the image; its buffer is somebody else's after `release`. */
export type Piece = { offset: number; bytes: Buffer; release(): void };

/** A fixed number of buffers: who wants one more than there are waits until one comes back. */
export class Buffers {
  readonly #free: Buffer[];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];

  constructor(count: number, sizeBytes = pieceBytes) {
    this.#free = Array.from({ length: count }, () => alignedBuffer(sizeBytes));
  }

  async take(): Promise<Buffer> {
    return this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next) next(buffer);
    else this.#free.push(buffer);
  }
}

/** Memory that begins on a page: Node's own buffers do not, those of WebAssembly do (its pages have 64 KiB). */
export function alignedBuffer(sizeBytes: number): Buffer {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(sizeBytes / (64 << 10)) });
  return Buffer.from(memory.buffer, 0, sizeBytes);
}

export const roundUp = (bytes: number, step: number): number => Math.ceil(bytes / step) * step;
