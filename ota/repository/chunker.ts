// Cuts bytes into chunks by their content (FastCDC), so that an insertion changes only the chunks around it.
// `ota/format.md` describes it, with test vectors: another table or mask would find no chunk of any earlier release again.
// Pure.
import { hash } from "node:crypto";

export const minChunkBytes = 16 << 10;
export const averageChunkBytes = 64 << 10;
export const maxChunkBytes = 256 << 10;

/** Normalised chunking: two bits more than the average needs before it, two fewer behind it. */
const strictMask = 0xff_ff_c0_00 | 0;
const looseMask = 0xff_fc_00_00 | 0;

/** One number for each value of a byte. */
export const gear: Int32Array = Int32Array.from({ length: 256 }, (_, byte) =>
  hash("sha256", `hamlet gear 1: ${byte}`, "buffer").readInt32LE(0),
);

/** The sum at a byte is over it and the 31 before it: what is older has been shifted out. */
const windowBytes = 32;

/** The length of the chunk that begins at `from`. `bytes` must reach `maxChunkBytes` further, unless the part ends before that. */
export function chunkLength(bytes: Uint8Array, from: number): number {
  const left = bytes.length - from;
  if (left <= minChunkBytes) return left;
  const end = from + Math.min(left, maxChunkBytes);
  const middle = Math.min(end, from + averageChunkBytes);
  let found = findCut(bytes, from + minChunkBytes, middle, strictMask);
  if (found < 0) found = findCut(bytes, middle, end, looseMask);
  return (found < 0 ? end : found) - from;
}

/** Where to cut: behind the first byte of `[from, to)` at which the sum has zeros where `mask` has ones; -1 if nowhere. */
function findCut(bytes: Uint8Array, from: number, to: number, mask: number): number {
  const table = gear;
  let sum = sumBefore(bytes, from);
  let at = from;
  // Four bytes a turn, and the sums before the checks: that is twice as fast.
  for (; at + 4 <= to; at += 4) {
    const one = ((sum << 1) + table[bytes[at]!]!) | 0;
    const two = ((one << 1) + table[bytes[at + 1]!]!) | 0;
    const three = ((two << 1) + table[bytes[at + 2]!]!) | 0;
    sum = ((three << 1) + table[bytes[at + 3]!]!) | 0;
    if ((one & mask) === 0) return at + 1;
    if ((two & mask) === 0) return at + 2;
    if ((three & mask) === 0) return at + 3;
    if ((sum & mask) === 0) return at + 4;
  }
  for (; at < to; at++) {
    sum = ((sum << 1) + table[bytes[at]!]!) | 0;
    if ((sum & mask) === 0) return at + 1;
  }
  return -1;
}

function sumBefore(bytes: Uint8Array, end: number): number {
  let sum = 0;
  for (let at = end - windowBytes + 1; at < end; at++) sum = ((sum << 1) + gear[bytes[at]!]!) | 0;
  return sum;
}

export type Cut = { length: number; sha256: string };
/** A chunk that may come next. `isLast`: it ended where its part did, not where its content says. */
export type Guess = Cut & { isLast: boolean };
/** `before`: the digest of the chunk before; undefined at the beginning of a part. */
export type Foresee = (before: string | undefined) => Guess | undefined;

/**
 * The chunks that `bytes` begin with, `before` being the one before them: all that further bytes would not change, and the rest if
 * `isEnd`. A guess that proves right saves looking for the cut, and changes nothing: where a chunk ends, its own bytes say.
 */
export function cutChunks(bytes: Uint8Array, isEnd: boolean, foresee: Foresee, before?: string): Cut[] {
  const cuts: Cut[] = [];
  let last = before;
  for (let at = 0; bytes.length - at >= (isEnd ? 1 : maxChunkBytes); at += cuts.at(-1)!.length) {
    const cut = provedRight(foresee(last), bytes, at, isEnd) ?? cutAt(bytes, at, chunkLength(bytes, at));
    cuts.push(cut);
    last = cut.sha256;
  }
  return cuts;
}

const cutAt = (bytes: Uint8Array, at: number, length: number): Cut => ({
  length,
  sha256: hash("sha256", bytes.subarray(at, at + length)),
});

function provedRight(guess: Guess | undefined, bytes: Uint8Array, at: number, isEnd: boolean): Cut | undefined {
  if (!guess) return undefined;
  const left = bytes.length - at;
  const isPossible = guess.isLast
    ? isEnd && guess.length === left
    : guess.length > minChunkBytes && guess.length <= Math.min(left, maxChunkBytes);
  if (!isPossible) return undefined;
  const cut = cutAt(bytes, at, guess.length);
  return cut.sha256 === guess.sha256 ? cut : undefined;
}
