// Makes the recipe for a device with an older release: copies, and for what that release lacks a pack of patches to what is most like
// it there. Where that saves nothing, plain chunks.
import { hash } from "node:crypto";
import { makeCrew } from "../../system/crew.ts";
import type { Progress } from "../../system/progress.ts";
import type { PartName } from "../format/manifest.ts";
import { maxStepBytes, type Recipe, type Step } from "../format/recipe.ts";
import { unpackPatch } from "../format/unpack.ts";
import type { Objects } from "./objects.ts";
import type { OlderRelease } from "./older-release.ts";
import {
  type Chunk,
  joinPatches,
  type Likeness,
  type Patched,
  type Place,
  type Planned,
  planDelta,
} from "./recipes.ts";
import { makeSimilar, type Similar } from "./similar.ts";
import type { Threads } from "./threads/threads.ts";

export type Range = { part: PartName; offset: number; length: number };
export type DeltaTools = {
  objects: Objects;
  threads: Threads;
  /** Bytes of the new release. */
  readNew(range: Range): Promise<Buffer>;
  /** Fills `bytes` with those at that place. */
  readNewInto(bytes: Buffer, place: Place): Promise<void>;
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
  const { progress, signal, readNew } = tools;
  const plan = planDelta(older.chunks, chunks);
  const freshBytes = plan.reduce((sum, { kind, length }) => sum + (kind === "fresh" ? length : 0), 0);
  progress.stage(`making the update from ${older.version}`, freshBytes);
  const made = new Map<Chunk, Made>();
  const copies = copySteps(plan, made, tools);
  copies.catch(() => {}); // awaited below
  try {
    const similar = await similarIn(older, chunks, signal);
    const fresh: Likeness[] = [];
    for await (const [one, bytes] of readAhead(
      plan.filter((one) => one.kind === "fresh"),
      readNew,
    )) {
      signal?.throwIfAborted();
      const guess = { part: one.near.part, from: one.near.offset, to: one.near.offset + one.length };
      fresh.push({ chunk: one.chunks[0]!, span: similar.find(bytes) ?? guess });
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
  for await (const [chunk, bytes] of readAhead(gone, older.read)) {
    signal?.throwIfAborted();
    similar.add(chunk.part, chunk.offset, bytes);
  }
  return similar;
}

/** Each with its bytes, in order, the next ones being read meanwhile. */
async function* readAhead<R extends Range>(
  ranges: readonly R[],
  read: (range: Range) => Promise<Buffer>,
): AsyncGenerator<[R, Buffer]> {
  const reading: Promise<Buffer>[] = [];
  for (const [index, range] of ranges.entries()) {
    for (const next of ranges.slice(index + reading.length, index + atOnce)) {
      const bytes = read(next);
      // Whoever waits for it hears of it; until then nobody does.
      bytes.catch(() => {});
      reading.push(bytes);
    }
    yield [range, await reading.shift()!];
  }
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
  { threads, readNewInto, signal }: DeltaTools,
): Promise<void> {
  const unused: Buffer[] = [];
  await sideBySide(plan, async (one) => {
    if (one.kind !== "copy") return;
    signal?.throwIfAborted();
    const { chunks, length, from } = one;
    let [sha256] = chunks.length === 1 ? [chunks[0]!.sha256] : [];
    if (sha256 === undefined) {
      const buffer = unused.pop() ?? Buffer.from(new SharedArrayBuffer(maxStepBytes));
      const bytes = buffer.subarray(0, length);
      await readNewInto(bytes, one);
      [sha256] = (await threads.digest({ bytes, lengths: [length] })).sha256;
      unused.push(buffer);
    }
    made.set(chunks[0]!, { steps: [{ kind: "copy", length, sha256: sha256!, from: { ...from, length } }] });
  });
}

async function patchStep(
  { chunks, part, offset, length, from }: Patched,
  older: OlderRelease,
  { objects, threads, readNew }: DeltaTools,
): Promise<Made> {
  const plain: Made = { steps: chunks.map((one): Step => ({ kind: "chunk", length: one.length, sha256: one.sha256 })) };
  if (from.length === 0) return plain;
  const content = await readNew({ part, offset, length });
  const dictionary = await older.read(from);
  const frame = await threads.patch({ older: dictionary, content });
  if (!frame) return plain;
  let plainBytes = 0;
  for (const { sha256 } of chunks) plainBytes += objects.frameBytes(sha256) ?? 0;
  if (frame.length + stepBytes >= plainBytes) return plain;
  const sha256 = hash("sha256", content);
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
  // What a device could not unpack must not be published.
  await unpackPatch(bytes, { sha256, sizeBytes: length }, dictionary);
  return { frame: bytes, step: { length, sha256, from } };
}
