import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  averageChunkBytes,
  type Cut,
  chunkLength,
  cutChunks,
  type Guess,
  maxChunkBytes,
  minChunkBytes,
} from "../../../ota/repository/chunker.ts";

/** Bytes that look random and are the same everywhere. */
function noise(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed;
  for (let at = 0; at < sizeBytes; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

function cut(bytes: Buffer, pieceBytes = 1 << 20): Buffer[] {
  const chunks: Buffer[] = [];
  let start = 0;
  for (let end = Math.min(pieceBytes, bytes.length); ; end = Math.min(end + pieceBytes, bytes.length)) {
    for (const { length } of cutChunks(bytes.subarray(start, end), end === bytes.length, () => undefined)) {
      chunks.push(bytes.subarray(start, start + length));
      start += length;
    }
    if (end === bytes.length) return chunks;
  }
}

/** The definition, word for word: one byte after the other, the sum made anew at each. */
function slowLength(bytes: Buffer): number {
  const gear = (byte: number) => createHash("sha256").update(`hamlet gear 1: ${byte}`).digest().readUInt32LE(0);
  const table = Array.from({ length: 256 }, (_, byte) => BigInt(gear(byte)));
  for (let at = minChunkBytes; at < Math.min(bytes.length, maxChunkBytes); at++) {
    let sum = 0n;
    for (let back = 0n; back < 32n; back++) sum += table[bytes[at - Number(back)]!]! << back;
    const zeros = at < averageChunkBytes ? 18n : 14n;
    if ((sum & 0xffffffffn) >> (32n - zeros) === 0n) return at + 1;
  }
  return Math.min(bytes.length, maxChunkBytes);
}

test("the fast loop cuts where the definition says", () => {
  const bytes = noise(600_000, 7);
  let at = 0;
  for (let count = 0; count < 3; count++) {
    const length = chunkLength(bytes, at);
    expect(length).toBe(slowLength(bytes.subarray(at)));
    at += length;
  }
});

test("chunks have 16 to 256 KiB and make up what was cut, whatever the pieces in which it came", () => {
  const bytes = noise(5_000_000);
  const chunks = cut(bytes);
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  for (const { length } of chunks.slice(0, -1)) {
    expect(length).toBeGreaterThan(minChunkBytes);
    expect(length).toBeLessThanOrEqual(maxChunkBytes);
  }
  const average = bytes.length / chunks.length;
  expect(average).toBeGreaterThan(0.75 * averageChunkBytes);
  expect(average).toBeLessThan(1.5 * averageChunkBytes);
  const lengths = chunks.map(({ length }) => length);
  fc.assert(
    fc.property(fc.integer({ min: 10_000, max: 3_000_000 }), (pieceBytes) => {
      expect(cut(bytes, pieceBytes).map(({ length }) => length)).toEqual(lengths);
    }),
    { numRuns: 20 },
  );
});

test("zeros, which never match, are cut at 256 KiB", () => {
  expect(cut(Buffer.alloc(600_000)).map(({ length }) => length)).toEqual([262_144, 262_144, 75_712]);
});

test("an insertion changes the chunks around it and no others", () => {
  const bytes = noise(4_000_000, 3);
  const changed = Buffer.concat([bytes.subarray(0, 1_500_000), Buffer.from("inserted"), bytes.subarray(1_500_000)]);
  const digest = (chunk: Buffer) => createHash("sha256").update(chunk).digest("hex");
  const before = new Set(cut(bytes).map(digest));
  const fresh = cut(changed).filter((chunk) => !before.has(digest(chunk)));
  expect(fresh.length).toBeGreaterThan(0);
  expect(fresh.length).toBeLessThanOrEqual(3);
});

const nothing = () => undefined;
/** Foresees `cuts` in their order. */
function following(cuts: readonly Cut[]) {
  const next = new Map<string | undefined, Guess>();
  for (const [index, cut] of cuts.entries()) {
    next.set(cuts[index - 1]?.sha256, { ...cut, isLast: index + 1 === cuts.length });
  }
  return (before: string | undefined) => next.get(before);
}

test("what an older release tells of its chunks changes no cut, whatever has changed since", () => {
  const older = noise(3_000_000, 5);
  const foresee = following(cutChunks(older, true, nothing));
  const news = [
    older,
    Buffer.concat([older.subarray(0, 1_000_000), Buffer.from("inserted"), older.subarray(1_000_000)]),
    // Its last chunk is in the middle now, or its end is missing.
    Buffer.concat([older, noise(400_000, 6)]),
    older.subarray(0, 2_500_001),
    Buffer.concat([older.subarray(2_000_000), older]),
    noise(1_000_000, 9),
    older.subarray(0, 10_000),
  ];
  for (const bytes of news) {
    expect(cutChunks(bytes, true, foresee)).toEqual(cutChunks(bytes, true, nothing));
    expect(cutChunks(bytes, false, foresee)).toEqual(cutChunks(bytes, false, nothing));
  }
});

test("a guess that proves right is taken, and one that is wrong or impossible is not", () => {
  const bytes = noise(1_000_000, 5);
  const cuts = cutChunks(bytes, true, nothing);
  const digest = (length: number) => createHash("sha256").update(bytes.subarray(0, length)).digest("hex");
  const first = (guess: Guess, isEnd = true) => cutChunks(bytes, isEnd, (before) => (before ? undefined : guess))[0];
  // No release has such a chunk: that it is taken shows that nothing was looked for.
  const other = cuts[0]!.length + 1000;
  expect(first({ length: other, sha256: digest(other), isLast: false })).toEqual({
    length: other,
    sha256: digest(other),
  });
  expect(first({ length: other, sha256: digest(other - 1), isLast: false })).toEqual(cuts[0]);
  for (const length of [0, 1, minChunkBytes, maxChunkBytes + 1, 2_000_000]) {
    expect(first({ length, sha256: digest(length), isLast: false })).toEqual(cuts[0]);
  }
  expect(first({ length: other, sha256: digest(other), isLast: true })).toEqual(cuts[0]);
  const whole = { length: bytes.length, sha256: digest(bytes.length), isLast: true };
  expect(first(whole)).toEqual({ length: whole.length, sha256: whole.sha256 });
  expect(first(whole, false)).toEqual(cuts[0]);
});
