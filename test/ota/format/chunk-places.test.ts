// Where chunks lie, looked up by their digests in the recipe of whole chunks.
import { hash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { openChunkPlaces } from "../../../ota/format/chunk-places.ts";
import { encodeRecipe, type Step } from "../../../ota/format/recipe.ts";

const lengths = [5_000, 16_384, 70_000, 4_096, 9_000];
const contents = lengths.map((length) => randomBytes(length));
const steps = contents.map(
  (content): Step => ({
    ...{ kind: "chunk", length: content.length, sha256: hash("sha256", content) },
  }),
);
const sum = (some: number[]) => some.reduce((total, one) => total + one, 0);
const parts = [
  { name: "kernel" as const, sizeBytes: sum(lengths.slice(0, 2)) },
  { name: "root" as const, sizeBytes: sum(lengths.slice(2)) },
];

test("each chunk of a part has its offset there, and none of another part or length has one", () => {
  const places = openChunkPlaces(encodeRecipe({ steps }), parts, "root");
  const found = steps.map(({ sha256, length }) => places(sha256, length));
  expect(found).toEqual([undefined, undefined, 0, 70_000, 74_096]);
  expect(places(steps[2]!.sha256, 69_999)).toBeUndefined();
  expect(places(hash("sha256", "no chunk"), 5_000)).toBeUndefined();
});

test("a chunk that two parts have is found in the one that is asked for", () => {
  const twice = [steps[0]!, steps[1]!, steps[1]!];
  const sizes = [lengths[0]! + lengths[1]!, lengths[1]!];
  const shared = parts.map((part, index) => ({ ...part, sizeBytes: sizes[index]! }));
  const places = openChunkPlaces(encodeRecipe({ steps: twice }), shared, "root");
  expect(places(steps[1]!.sha256, lengths[1]!)).toBe(0);
});

test("a digest that stands across two steps is no chunk", () => {
  const recipe = encodeRecipe({ steps });
  const across = recipe.toString("hex", 60, 92);
  expect(openChunkPlaces(recipe, parts, "root")(across, 5_000)).toBeUndefined();
});

test.each([
  ["is cut off", encodeRecipe({ steps }).subarray(0, -1), parts],
  ["is empty", encodeRecipe({ steps: [] }), parts],
  [
    "copies",
    encodeRecipe({
      steps: Array(37).fill({ ...steps[0], kind: "copy", from: { part: "root", offset: 0, length: 5_000 } }),
    }),
    parts,
  ],
  ["makes other parts", encodeRecipe({ steps }), parts.slice(1)],
])("a recipe that %s is refused", (_, recipe, made) => {
  expect(() => openChunkPlaces(recipe, made, "root")).toThrow(expect.objectContaining({ code: "update.badRecipe" }));
});
