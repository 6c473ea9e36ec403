// Plans recipes: the whole one of a release, and for a device with an older release the one that copies what both have.
// Pure.
import type { Part, PartName } from "../format/manifest.ts";
import { maxStepBytes, type Recipe, type Step } from "../format/recipe.ts";

/** A chunk, and where it lies in its release. */
export type Chunk = { part: PartName; offset: number; length: number; sha256: string };
export type Place = { part: PartName; offset: number };

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

/** Chunks that are neighbors in the new release, made by one step or left single. */
type Run = Place & { length: number; chunks: Chunk[] };
export type Planned =
  | (Run & { kind: "copy"; from: Place })
  /** `near`: where in the older release something like it may be. */
  | (Run & { kind: "fresh"; near: Place[] });

/** More in one step would save little: half of the bytes of a small update's recipe, a hundredth of all. */
const maxFreshBytes = 256 << 10;

/** Copies what the older release has, neighbors that are neighbors there too in one step. */
export function planDelta(older: readonly Chunk[], chunks: readonly Chunk[]): Planned[] {
  const places = Map.groupBy(older, ({ sha256 }) => sha256);
  const plan: Planned[] = [];
  for (const chunk of chunks) {
    const found = places.get(chunk.sha256);
    const last = plan.at(-1);
    if (last && canJoin(last, chunk, found)) {
      last.chunks.push(chunk);
      last.length += chunk.length;
      continue;
    }
    const { part, offset, length } = chunk;
    const run: Run = { part, offset, length, chunks: [chunk] };
    if (!found) plan.push({ ...run, kind: "fresh", near: [] });
    else plan.push({ ...run, kind: "copy", from: { part: found[0]!.part, offset: found[0]!.offset } });
  }
  findNear(plan);
  return plan;
}

function canJoin(last: Planned, { part, length }: Chunk, found: readonly Chunk[] | undefined): boolean {
  if (last.part !== part) return false;
  if (last.kind === "fresh") return !found && last.length + length <= maxFreshBytes;
  const end = last.from.offset + last.length;
  const isNext = found?.some((one) => one.part === last.from.part && one.offset === end) ?? false;
  return isNext && last.length + length <= maxStepBytes;
}

/** What changed lies most likely where the chunks around it lie: shifted as the last copy before it, or the first behind it. */
function findNear(plan: readonly Planned[]): void {
  for (const order of [plan, plan.toReversed()]) {
    let shift: { at: Place; from: Place } | undefined;
    for (const one of order) {
      if (one.kind === "copy") shift = { at: one, from: one.from };
      else {
        const isHere = shift?.at.part === one.part;
        const offset = isHere ? one.offset + shift!.from.offset - shift!.at.offset : one.offset;
        const near = { part: isHere ? shift!.from.part : one.part, offset };
        if (!one.near.some((other) => other.part === near.part && other.offset === near.offset)) one.near.push(near);
      }
    }
  }
}

const aroundBytes = 128 << 10;
/** A smaller dictionary saves nothing worth a step. */
const minDictionaryBytes = 4096;

/** The dictionary for `length` bytes near `place`, in an older part of `sizeBytes`; undefined if the part has nothing there. */
export function dictionaryAt(
  { part, offset }: Place,
  length: number,
  sizeBytes: number,
): (Place & { length: number }) | undefined {
  const from = Math.max(0, offset - aroundBytes);
  const end = Math.min(sizeBytes, offset + length + aroundBytes);
  return end - from < minDictionaryBytes ? undefined : { part, offset: from, length: end - from };
}
