// The pieces in which an image is copied: at most 4 MiB each, in reused buffers.

/** Large enough for cards and SSDs to work without waiting, small enough to stop quickly. */
export const pieceBytes = 4 << 20;

/** A part of the image; its buffer is reused after `release`. */
export type Piece = { offset: number; bytes: Buffer; release(): void };

/** A fixed number of buffers; a request for one more waits until one is released. */
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

/** Page-aligned memory: Node's own buffers are not aligned, WebAssembly's are (in pages of 64 KiB). */
export function alignedBuffer(sizeBytes: number): Buffer {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(sizeBytes / (64 << 10)) });
  return Buffer.from(memory.buffer, 0, sizeBytes);
}

export const roundUp = (bytes: number, step: number): number => Math.ceil(bytes / step) * step;
