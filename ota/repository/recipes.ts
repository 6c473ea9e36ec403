// Plans recipes: the whole one of a release, and for a device with an older release the one that copies what both have.
// Pure.
import type { Part, PartName } from "../format/manifest.ts";
import { maxDictionaryBytes, maxStepBytes, type Recipe, type Step } from "../format/recipe.ts";
import type { Foresee, Guess } from "./chunker.ts";
import type { Span } from "./similar.ts";

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

/** Foresees that behind a chunk of `older` comes the one that comes there, and first the one that is first there. */
export function foreseeFrom(older: readonly Chunk[], part: PartName): Foresee {
  const guesses = new Map<string | undefined, Guess>();
  for (const [index, { part: own, offset, length, sha256 }] of older.entries()) {
    const before = offset === 0 ? undefined : older[index - 1]!.sha256;
    if (offset === 0 ? own !== part : guesses.has(before)) continue;
    guesses.set(before, { length, sha256, isLast: older[index + 1]?.part !== own });
  }
  return (before) => guesses.get(before);
}

/** Chunks that are neighbors in the new release, made by one step or left single. */
type Run = Place & { length: number; chunks: Chunk[] };
export type Copied = Run & { kind: "copy"; from: Place };
export type Planned =
  | Copied
  /** A single chunk. `near`: the place in the older release that the chunks around it suggest. */
  | (Run & { kind: "fresh"; near: Place });

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
    if (found) plan.push({ ...run, kind: "copy", from: { part: found[0]!.part, offset: found[0]!.offset } });
    else plan.push({ ...run, kind: "fresh", near: nearTo(chunk, last) });
  }
  return plan;
}

function canJoin(last: Planned, { part, length }: Chunk, found: readonly Chunk[] | undefined): boolean {
  if (last.part !== part || last.kind === "fresh") return false;
  const end = last.from.offset + last.length;
  const isNext = found?.some((one) => one.part === last.from.part && one.offset === end) ?? false;
  return isNext && last.length + length <= maxStepBytes;
}

/** Behind what the chunk before it has in the older release. */
function nearTo({ part, offset }: Chunk, last: Planned | undefined): Place {
  if (last?.part !== part) return { part, offset };
  const from = last.kind === "copy" ? last.from : last.near;
  return { part: from.part, offset: from.offset + last.length };
}

/** What one patch makes of the older bytes `from`. */
export type Patched = Run & { kind: "patch"; from: Place & { length: number } };
/** A chunk that the older release lacks, and the part of it that is most like it. */
export type Likeness = { chunk: Chunk; span: Span };

/** More in one step saves a hundredth, and costs the agent memory. */
const maxPatchedBytes = 512 << 10;
/** What moves within a program moves less than this. */
const aroundBytes = 128 << 10;
/** Fewer older bytes save nothing worth a step. */
const minFromBytes = 4096;

/** Joins neighbors whose older bytes are neighbors too. `sizeOf`: bytes of the older release's part. */
export function joinPatches(fresh: readonly Likeness[], sizeOf: (part: PartName) => number): Patched[] {
  const groups: { chunks: Chunk[]; length: number; span: Span }[] = [];
  for (const { chunk, span } of fresh) {
    const last = groups.at(-1);
    const end = last && last.chunks[0]!.offset + last.length;
    const isNext = last && last.chunks[0]!.part === chunk.part && end === chunk.offset && last.span.part === span.part;
    const joined = isNext && {
      ...span,
      from: Math.min(last.span.from, span.from),
      to: Math.max(last.span.to, span.to),
    };
    const isSmall = joined && joined.to - joined.from + 2 * aroundBytes <= maxDictionaryBytes;
    if (isSmall && last!.length + chunk.length <= maxPatchedBytes) {
      last!.chunks.push(chunk);
      last!.length += chunk.length;
      last!.span = joined;
    } else groups.push({ chunks: [chunk], length: chunk.length, span });
  }
  return groups.map(({ chunks, length, span }) => {
    const { part, offset } = chunks[0]!;
    const first = Math.max(0, Math.min(span.from, sizeOf(span.part)) - aroundBytes);
    const end = Math.min(sizeOf(span.part), span.to + aroundBytes, first + maxDictionaryBytes);
    const from = { part: span.part, offset: first, length: end - first < minFromBytes ? 0 : end - first };
    return { kind: "patch", part, offset, length, chunks, from };
  });
}
