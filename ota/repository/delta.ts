// Makes the recipe for a device with an older release: copies, and for what that release lacks a pack of patches to what is most like
// it there. Where that saves nothing, plain chunks.
import { hash } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { makeCrew } from "../../system/crew.ts";
import type { Progress } from "../../system/progress.ts";
import type { PartName } from "../format/manifest.ts";
import { encodePatch, maxPatchBytes } from "../format/patch.ts";
import type { Recipe, Step } from "../format/recipe.ts";
import { unpackPatch } from "../format/unpack.ts";
import { type Align, makeAligner } from "./align.ts";
import type { Objects } from "./objects.ts";
import type { OlderRelease } from "./older-release.ts";
import { type Chunk, type Copied, joinPatches, type Likeness, type Patched, planDelta } from "./recipes.ts";
import { makeSimilar, type Similar } from "./similar.ts";

export type Range = { part: PartName; offset: number; length: number };
export type DeltaTools = {
  objects: Objects;
  /** Bytes of the new release. */
  readNew(range: Range): Promise<Buffer>;
  progress: Progress;
  signal: AbortSignal | undefined;
};

/** Patches are small, so the best level costs little: 9 sends a tenth more. */
const level = 19;
/** Of a step with a pack, more than of a plain one. */
const stepBytes = 21;
const atOnce = 4;

export async function makeDelta(
  older: OlderRelease,
  chunks: readonly Chunk[],
  tools: DeltaTools,
): Promise<{ recipe: Recipe; pack: Buffer }> {
  const { progress, signal, readNew } = tools;
  const plan = planDelta(older.chunks, chunks);
  const freshBytes = plan.reduce((sum, { kind, length }) => sum + (kind === "fresh" ? length : 0), 0);
  progress.stage(`making the update from ${older.version}`, freshBytes);
  const similar = await similarIn(older, chunks, signal);
  const fresh: Likeness[] = [];
  for (const one of plan) {
    if (one.kind === "copy") continue;
    signal?.throwIfAborted();
    const [chunk] = one.chunks;
    const guess = { part: one.near.part, from: one.near.offset, to: one.near.offset + one.length };
    fresh.push({ chunk: chunk!, span: similar.find(await readNew(chunk!)) ?? guess });
  }
  const patches = joinPatches(fresh, older.sizeOf);
  const all = [...plan.filter((one) => one.kind === "copy"), ...patches];
  const made = new Map<Chunk, Made>();
  const align = makeAligner();
  const crew = makeCrew(atOnce);
  let doneBytes = 0;
  try {
    for (const one of all) {
      await crew.begin(async () => {
        signal?.throwIfAborted();
        const [first] = one.chunks;
        made.set(first!, one.kind === "copy" ? await copyStep(one, tools) : await patchStep(one, older, align, tools));
        if (one.kind === "patch") doneBytes += one.length;
        progress.at(doneBytes);
      });
    }
  } finally {
    await crew.end();
  }
  // In the order of the new release's bytes.
  return assemble(chunks.flatMap((chunk) => made.get(chunk) ?? []));
}

/** Knows what of the older release is no longer in the new one. */
async function similarIn(
  older: OlderRelease,
  chunks: readonly Chunk[],
  signal: AbortSignal | undefined,
): Promise<Similar> {
  const kept = new Set(chunks.map(({ sha256 }) => sha256));
  const gone = older.chunks.filter(({ sha256 }) => !kept.has(sha256));
  const similar = makeSimilar(gone.reduce((sum, { length }) => sum + length, 0));
  for (const chunk of gone) {
    signal?.throwIfAborted();
    similar.add(chunk.part, chunk.offset, await older.read(chunk));
  }
  return similar;
}

/** Steps, or one whose frame gets its place in the pack when all are made. */
type Made = { steps: Step[] } | { frame: Buffer; step: { length: number; sha256: string; from: Range } };

function assemble(made: readonly Made[]): { recipe: Recipe; pack: Buffer } {
  const frames: Buffer[] = [];
  const steps: Step[] = [];
  let offset = 0;
  for (const one of made) {
    if ("steps" in one) steps.push(...one.steps);
    else {
      const { length } = one.frame;
      steps.push({ kind: "packed", ...one.step, pack: { offset, length } });
      frames.push(one.frame);
      offset += length;
    }
  }
  const pack = Buffer.concat(frames);
  const named = pack.length > 0 ? { pack: { sha256: hash("sha256", pack), sizeBytes: pack.length } } : {};
  return { recipe: { steps, ...named }, pack };
}

async function copyStep({ chunks, part, offset, length, from }: Copied, { readNew }: DeltaTools): Promise<Made> {
  const single = chunks.length === 1 ? chunks[0] : undefined;
  const sha256 = single?.sha256 ?? hash("sha256", await readNew({ part, offset, length }));
  return { steps: [{ kind: "copy", length, sha256, from: { ...from, length } }] };
}

async function patchStep(
  { chunks, part, offset, length, from }: Patched,
  older: OlderRelease,
  align: Align,
  { objects, readNew }: DeltaTools,
): Promise<Made> {
  const plain: Made = { steps: chunks.map((one): Step => ({ kind: "chunk", length: one.length, sha256: one.sha256 })) };
  if (from.length === 0) return plain;
  const content = await readNew({ part, offset, length });
  const dictionary = await older.read(from);
  const patch = encodePatch(dictionary, content, align(dictionary, content));
  if (patch.length > maxPatchBytes(length)) return plain;
  const frame = await promisify(zstdCompress)(patch, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: patch.length,
  });
  let plainBytes = 0;
  for (const { sha256 } of chunks) plainBytes += objects.frameBytes(sha256) ?? 0;
  if (frame.length + stepBytes >= plainBytes) return plain;
  const sha256 = hash("sha256", content);
  // What a device could not unpack must not be published.
  await unpackPatch(frame, { sha256, sizeBytes: length }, dictionary);
  return { frame, step: { length, sha256, from } };
}
