import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { withoutMagic } from "../../../ota/repository/delta.ts";
import { type Chunk, chunksOfRecipe, dictionaryAt, planDelta, wholeRecipe } from "../../../ota/repository/recipes.ts";

const kib = 1 << 10;
/** Chunks of 64 KiB, one for each letter. */
const chunks = (letters: string, part: Chunk["part"] = "root"): Chunk[] =>
  [...letters].map((letter, index) => ({ part, offset: index * 64 * kib, length: 64 * kib, sha256: letter }));
const plan = (older: Chunk[], newer: Chunk[]) =>
  planDelta(older, newer).map((one) => ({
    kind: one.kind,
    letters: one.chunks.map(({ sha256 }) => sha256).join(""),
    from: one.kind === "copy" ? [one.from] : one.near,
  }));
const root = (chunk: number) => ({ part: "root" as const, offset: chunk * 64 * kib });

test("what both have is copied in long steps, from where it lies in the older release", () => {
  expect(plan(chunks("abcdef"), chunks("abXcdf"))).toEqual([
    { kind: "copy", letters: "ab", from: [root(0)] },
    { kind: "fresh", letters: "X", from: [root(2), root(1)] },
    { kind: "copy", letters: "cd", from: [root(2)] },
    { kind: "copy", letters: "f", from: [root(5)] },
  ]);
});

test("a chunk that repeats is copied along with the one before it", () => {
  expect(plan(chunks("0a0b"), chunks("a0b0"))).toEqual([
    { kind: "copy", letters: "a0b", from: [root(1)] },
    { kind: "copy", letters: "0", from: [root(0)] },
  ]);
});

test("a copy makes at most 1 MiB, and what is new at most 256 KiB in one step", () => {
  const many = "abcdefghijklmnopqrstuvwxyz";
  expect(plan(chunks(many), chunks(many)).map(({ letters }) => letters.length)).toEqual([16, 10]);
  expect(plan([], chunks(many)).map(({ letters }) => letters.length)).toEqual([4, 4, 4, 4, 4, 4, 2]);
});

test("no step reaches from one part into the next", () => {
  const both = [...chunks("ab"), ...chunks("cd", "kernel")];
  expect(plan(both, both).map(({ letters }) => letters)).toEqual(["ab", "cd"]);
  expect(plan([], both).map(({ letters }) => letters)).toEqual(["ab", "cd"]);
  // The shift of one part says nothing of the other.
  expect(plan(chunks("xab"), [...chunks("ab"), ...chunks("c", "kernel")]).at(-1)!.from).toEqual([
    { part: "kernel", offset: 0 },
  ]);
});

test("the whole recipe tells the chunks of its release again", () => {
  const both = [...chunks("abc"), ...chunks("de", "kernel")];
  const parts = [
    { name: "root" as const, sizeBytes: 3 * 64 * kib },
    { name: "kernel" as const, sizeBytes: 2 * 64 * kib },
  ];
  expect(chunksOfRecipe(wholeRecipe(both), parts)).toEqual(both);
});

test("a dictionary reaches 128 KiB to either side, as far as the older part goes", () => {
  const sizeBytes = 1000 * kib;
  expect(dictionaryAt(root(5), 64 * kib, sizeBytes)).toEqual({ part: "root", offset: 192 * kib, length: 320 * kib });
  expect(dictionaryAt(root(0), 64 * kib, sizeBytes)).toEqual({ part: "root", offset: 0, length: 192 * kib });
  expect(dictionaryAt(root(17), 64 * kib, sizeBytes)).toEqual({ part: "root", offset: 960 * kib, length: 40 * kib });
  expect(dictionaryAt(root(100), 64 * kib, sizeBytes)).toBeUndefined();
  expect(dictionaryAt(root(0), 64 * kib, 0)).toBeUndefined();
});

test("a dictionary that begins with zstd's own number would not load, so its start moves", () => {
  const bytes = Buffer.alloc(8192, "some text of the older release");
  const from = { part: "root" as const, offset: 100, length: bytes.length };
  expect(withoutMagic(from, bytes)).toEqual({ from, bytes });
  Buffer.from("37a430ec", "hex").copy(bytes);
  const content = Buffer.alloc(8192, "some text of the new release");
  expect(() => zstdCompressSync(content, { dictionary: bytes })).toThrow();
  const moved = withoutMagic(from, bytes);
  expect(moved.from).toEqual({ part: "root", offset: 101, length: bytes.length - 1 });
  const frame = zstdCompressSync(content, { dictionary: moved.bytes });
  expect(zstdDecompressSync(frame, { dictionary: moved.bytes }).equals(content)).toBe(true);
});
