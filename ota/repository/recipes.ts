// Plans recipes: the whole one of a release, and for a device with an older release the one that copies what both have.
// Pure.
import type { Part, PartName } from "../format/manifest.ts";
import { maxStepBytes, type Recipe, type Step } from "../format/recipe.ts";

/** A chunk, and where it lies in its release. */
export type Chunk = { part: PartName; offset: number; length: number; sha256: string };

/** In the order of the release's parts. */
export const wholeRecipe = (chunks: readonly Chunk[]): Recipe => ({
  steps: chunks.map(({ length, sha256 }): Step => ({ kind: "chunk", length, sha256 })),
});

/** The chunks of a release from its whole recipe. */
export function chunksOfRecipe({ steps }: Recipe, parts: readonly Pick<Part, "name" | "sizeBytes">[]): Chunk[] {
  const chunks: Chunk[] = [];
  let [index, offset] = [0, 0];
  for (const { length, sha256 } of steps) {
    const part = parts[index]!;
    chunks.push({ part: part.name, offset, length, sha256 });
    offset += length;
    if (offset === part.sizeBytes) [index, offset] = [index + 1, 0];
  }
  return chunks;
}

/** `chunks`: the neighbors in the new release that one step copies. */
export type Planned =
  | { kind: "copy"; chunks: Chunk[]; length: number; from: { part: PartName; offset: number } }
  | { kind: "chunk"; chunk: Chunk };

/** Copies what the older release has, neighbors that are neighbors there too in one step. */
export function planDelta(older: readonly Chunk[], chunks: readonly Chunk[]): Planned[] {
  const places = new Map<string, Chunk[]>();
  for (const chunk of older) {
    const same = places.get(chunk.sha256);
    if (same) same.push(chunk);
    else places.set(chunk.sha256, [chunk]);
  }
  const plan: Planned[] = [];
  for (const chunk of chunks) {
    const found = places.get(chunk.sha256);
    const last = plan.at(-1);
    if (!found) plan.push({ kind: "chunk", chunk });
    else if (last?.kind === "copy" && continues(last, chunk, found)) {
      last.chunks.push(chunk);
      last.length += chunk.length;
    } else {
      const { part, offset } = found[0]!;
      plan.push({ kind: "copy", chunks: [chunk], length: chunk.length, from: { part, offset } });
    }
  }
  return plan;
}

function continues(
  { chunks, length, from }: Extract<Planned, { kind: "copy" }>,
  chunk: Chunk,
  found: readonly Chunk[],
): boolean {
  return (
    length + chunk.length <= maxStepBytes &&
    chunks[0]!.part === chunk.part &&
    found.some(({ part, offset }) => part === from.part && offset === from.offset + length)
  );
}
