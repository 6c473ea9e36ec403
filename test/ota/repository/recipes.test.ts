import { expect, test } from "vitest";
import { maxDictionaryBytes } from "../../../ota/format/recipe.ts";
import {
  type Chunk,
  chunksOfRecipe,
  foreseeFrom,
  joinPatches,
  planDelta,
  wholeRecipe,
} from "../../../ota/repository/recipes.ts";

const kib = 1 << 10;
/** Chunks of 64 KiB, one for each letter. */
const chunks = (letters: string, part: Chunk["part"] = "root"): Chunk[] =>
  [...letters].map((letter, index) => ({ part, offset: index * 64 * kib, length: 64 * kib, sha256: letter }));
const plan = (older: Chunk[], newer: Chunk[]) =>
  planDelta(older, newer).map((one) => ({
    kind: one.kind,
    letters: one.chunks.map(({ sha256 }) => sha256).join(""),
    from: one.kind === "copy" ? one.from : one.near,
  }));
const root = (chunk: number) => ({ part: "root" as const, offset: chunk * 64 * kib });

test("what both have is copied in long steps, from where it lies in the older release", () => {
  expect(plan(chunks("abcdef"), chunks("abXcdf"))).toEqual([
    { kind: "copy", letters: "ab", from: root(0) },
    { kind: "fresh", letters: "X", from: root(2) },
    { kind: "copy", letters: "cd", from: root(2) },
    { kind: "copy", letters: "f", from: root(5) },
  ]);
});

test("a chunk that repeats is copied along with the one before it", () => {
  expect(plan(chunks("0a0b"), chunks("a0b0"))).toEqual([
    { kind: "copy", letters: "a0b", from: root(1) },
    { kind: "copy", letters: "0", from: root(0) },
  ]);
});

test("a copy makes at most 1 MiB in one step, and what is new is planned chunk by chunk", () => {
  const many = "abcdefghijklmnopqrstuvwxyz";
  expect(plan(chunks(many), chunks(many)).map(({ letters }) => letters.length)).toEqual([16, 10]);
  expect(plan([], chunks(many))).toHaveLength(26);
});

test("no step reaches from one part into the next", () => {
  const both = [...chunks("ab"), ...chunks("cd", "kernel")];
  expect(plan(both, both).map(({ letters }) => letters)).toEqual(["ab", "cd"]);
  // The shift of one part says nothing of the other.
  expect(plan(chunks("xab"), [...chunks("ab"), ...chunks("c", "kernel")]).at(-1)!.from).toEqual({
    part: "kernel",
    offset: 0,
  });
});

test("the whole recipe tells the chunks of its release again", () => {
  const both = [...chunks("abc"), ...chunks("de", "kernel")];
  const parts = [
    { name: "root" as const, sizeBytes: 3 * 64 * kib },
    { name: "kernel" as const, sizeBytes: 2 * 64 * kib },
  ];
  expect(chunksOfRecipe(wholeRecipe(both), parts)).toEqual(both);
});

const unlimited = () => 2 ** 30;
const like = (chunk: Chunk, offset: number, part: Chunk["part"] = "root") => ({
  chunk,
  span: { part, from: offset, to: offset + chunk.length },
});

test("neighbors that are like neighbors get one patch, of at most 512 KiB, to the bytes around those", () => {
  const many = chunks("abcdefghij");
  const joined = joinPatches(
    many.map((chunk) => like(chunk, chunk.offset + 10_000 * kib)),
    unlimited,
  );
  expect(joined.map((one) => one.chunks.map(({ sha256 }) => sha256).join(""))).toEqual(["abcdefgh", "ij"]);
  expect(joined[0]!.from).toEqual({ part: "root", offset: (10_000 - 128) * kib, length: (512 + 256) * kib });
  expect(joined[0]!.length).toBe(512 * kib);
});

test("no patch joins chunks that are like places far apart, lie in two parts, or are no neighbors", () => {
  const [a, b, , d] = chunks("abcd") as [Chunk, Chunk, Chunk, Chunk];
  const [kernel] = chunks("k", "kernel") as [Chunk];
  const far = joinPatches([like(a, 0), like(b, 2 ** 24), like(d, 2 ** 24), like(kernel, 0, "kernel")], unlimited);
  expect(far.map((one) => [one.part, one.chunks.map(({ sha256 }) => sha256).join("")])).toEqual([
    ["root", "a"],
    ["root", "b"],
    ["root", "d"],
    ["kernel", "k"],
  ]);
  for (const { from } of far) expect(from.length).toBeLessThanOrEqual(maxDictionaryBytes);
});

test("a patch takes no bytes from beyond the older part, and none where it has too few", () => {
  const [a] = chunks("a") as [Chunk];
  const of = (offset: number, sizeBytes: number) => joinPatches([like(a, offset)], () => sizeBytes)[0]!.from;
  expect(of(0, 1000 * kib)).toEqual({ part: "root", offset: 0, length: 192 * kib });
  expect(of(950 * kib, 1000 * kib)).toEqual({ part: "root", offset: 822 * kib, length: 178 * kib });
  expect(of(0, 1000).length).toBe(0);
  expect(of(0, 0).length).toBe(0);
});

test("behind a chunk the one is foreseen that was behind it first, and in a part's beginning its first", () => {
  const older = [...chunks("abac"), ...chunks("de", "kernel")];
  const inRoot = foreseeFrom(older, "root");
  const guess = (sha256: string, isLast = false) => ({ sha256, length: 64 * kib, isLast });
  expect([undefined, "a", "b", "c", "x"].map(inRoot)).toEqual([
    guess("a"),
    guess("b"),
    guess("a"),
    undefined,
    undefined,
  ]);
  expect(foreseeFrom(older, "kernel")(undefined)).toEqual(guess("d"));
  expect(inRoot("d")).toEqual(guess("e", true));
  expect(foreseeFrom(chunks("a"), "root")(undefined)).toEqual(guess("a", true));
  expect(foreseeFrom([], "root")(undefined)).toBeUndefined();
});
