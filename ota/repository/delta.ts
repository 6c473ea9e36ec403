// Makes the recipe for a device with an older release: copies, and for what that release lacks a pack of patches to what is most like
// it there. Where that saves nothing, plain chunks.
import { hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { makeCrew } from "../../system/crew.ts";
import type { Progress } from "../../system/progress.ts";
import type { PartName } from "../format/manifest.ts";
import type { Recipe, Step } from "../format/recipe.ts";
import type { Objects } from "./objects.ts";
import type { OlderRelease } from "./older-release.ts";
import { type Chunk, joinPatches, type Likeness, type Patched, type Planned, planDelta } from "./recipes.ts";
import { makeSimilar, type Similar } from "./similar.ts";
import { makeReader, type Source } from "./source.ts";
import type { Threads } from "./threads/threads.ts";

export type Range = { part: PartName; offset: number; length: number };
export type DeltaTools = {
  objects: Objects;
  threads: Threads;
  /** Where bytes of the new release lie. */
  sourceOf(range: Range): Source;
  progress: Progress;
  signal: AbortSignal | undefined;
};

/** Of a step with a pack, more than of a plain one. */
const stepBytes = 21;
const atOnce = 4;

export async function makeDelta(
  older: OlderRelease,
  chunks: readonly Chunk[],
  tools: DeltaTools,
): Promise<{ recipe: Recipe; pack: Buffer }> {
  const { progress, signal, sourceOf } = tools;
  const plan = planDelta(older.chunks, chunks);
  const freshBytes = plan.reduce((sum, { kind, length }) => sum + (kind === "fresh" ? length : 0), 0);
  progress.stage(`making the update from ${older.version}`, freshBytes);
  const made = new Map<Chunk, Made>();
  const copies = copySteps(plan, made, tools);
  copies.catch(() => {}); // awaited below
  try {
    const read = makeReader();
    const similar = await similarIn(older, chunks, signal);
    const fresh: Likeness[] = [];
    for (const one of plan) {
      if (one.kind !== "fresh") continue;
      await takeTurns(signal);
      const guess = { part: one.near.part, from: one.near.offset, to: one.near.offset + one.length };
      fresh.push({ chunk: one.chunks[0]!, span: similar.find(await read(sourceOf(one))) ?? guess });
    }
    let doneBytes = 0;
    await sideBySide(joinPatches(fresh, older.sizeOf), async (one) => {
      signal?.throwIfAborted();
      made.set(one.chunks[0]!, await patchStep(one, older, tools));
      doneBytes += one.length;
      progress.at(doneBytes);
    });
  } finally {
    await Promise.allSettled([copies]);
  }
  await copies;
  // In the order of the new release's bytes.
  return assemble(chunks.flatMap((chunk) => made.get(chunk) ?? []));
}

async function sideBySide<T>(all: readonly T[], task: (one: T) => Promise<void>): Promise<void> {
  const crew = makeCrew(atOnce);
  try {
    for (const one of all) await crew.begin(() => task(one));
  } finally {
    await crew.end();
  }
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
  const read = makeReader();
  for (const chunk of gone) {
    await takeTurns(signal);
    similar.add(chunk.part, chunk.offset, await read(older.sourceOf(chunk)));
  }
  return similar;
}

/** Lets the threads get their next tasks, and whoever wants this to stop say so. */
async function takeTurns(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
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

async function copySteps(
  plan: readonly Planned[],
  made: Map<Chunk, Made>,
  { threads, sourceOf, signal }: DeltaTools,
): Promise<void> {
  await sideBySide(plan, async (one) => {
    if (one.kind !== "copy") return;
    signal?.throwIfAborted();
    const { chunks, length, from } = one;
    const sha256 = chunks.length === 1 ? chunks[0]!.sha256 : await threads.digest(sourceOf(one));
    made.set(chunks[0]!, { steps: [{ kind: "copy", length, sha256, from: { ...from, length } }] });
  });
}

async function patchStep(one: Patched, older: OlderRelease, { objects, threads, sourceOf }: DeltaTools): Promise<Made> {
  const { chunks, length, from } = one;
  const plain: Made = { steps: chunks.map((one): Step => ({ kind: "chunk", length: one.length, sha256: one.sha256 })) };
  if (from.length === 0) return plain;
  const patch = await threads.patch({ older: older.sourceOf(from), content: sourceOf(one) });
  if (!patch) return plain;
  let plainBytes = 0;
  for (const { sha256 } of chunks) plainBytes += objects.frameBytes(sha256) ?? 0;
  if (patch.frame.length + stepBytes >= plainBytes) return plain;
  const frame = Buffer.from(patch.frame.buffer, patch.frame.byteOffset, patch.frame.length);
  return { frame, step: { length, sha256: patch.sha256, from } };
}
