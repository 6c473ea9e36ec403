// Where a release's chunks lie in one of its parts, by their digests. For a device that does not update but holds the release: looking a
// chunk up reads no step before it, because a device's program is slow at that.
// Pure.
import { HamletError } from "../../system/error.ts";
import type { Part, PartName } from "./manifest.ts";
import { chunkStepBytes, digestAt, recipeHeadBytes } from "./recipe.ts";

/** The offset of a chunk in the part; undefined if the part has none of this digest and length. */
export type ChunkPlaces = (sha256: string, length: number) => number | undefined;

/** `recipe`: that of whole chunks. Throws `update.badRecipe` for one that does not make exactly `parts`. */
export function openChunkPlaces(
  recipe: Buffer,
  parts: readonly Pick<Part, "name" | "sizeBytes">[],
  name: PartName,
): ChunkPlaces {
  const refuse = (why: string) => new HamletError("update.badRecipe", `the recipe of whole chunks ${why}`);
  const count = (recipe.length - recipeHeadBytes) / chunkStepBytes;
  if (count <= 0 || !Number.isInteger(count)) throw refuse("has other steps than chunks");
  // Where each chunk begins, and the last one ends.
  const starts = new Float64Array(count + 1);
  for (let index = 0; index < count; index++) {
    const at = recipeHeadBytes + index * chunkStepBytes;
    if (recipe.readUInt8(at) !== 0) throw refuse("has other steps than chunks");
    starts[index + 1] = starts[index]! + recipe.readUInt32LE(at + 1);
  }
  const before = parts.slice(
    0,
    parts.findIndex((part) => part.name === name),
  );
  const first = before.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const end = first + (parts[before.length]?.sizeBytes ?? 0);
  if (starts[count] !== parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    throw refuse("does not fit its parts");

  return (sha256, length) => {
    const digest = Buffer.from(sha256, "hex");
    for (let at = recipe.indexOf(digest); at !== -1; at = recipe.indexOf(digest, at + 1)) {
      const index = (at - recipeHeadBytes - digestAt) / chunkStepBytes;
      if (!Number.isInteger(index) || index < 0) continue;
      const [start, next] = [starts[index]!, starts[index + 1]!];
      if (start >= first && next <= end && next - start === length) return start - first;
    }
    return undefined;
  };
}
