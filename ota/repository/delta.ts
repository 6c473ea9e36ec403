// Makes the recipe for a device with an older release: copies, and for what that release lacks a pack of zstd frames, each with the
// bytes around its place in the older release as dictionary. Where that saves nothing, plain chunks.
import { hash } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { makeCrew } from "../../system/crew.ts";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import type { PartName } from "../format/manifest.ts";
import type { Recipe, Step } from "../format/recipe.ts";
import type { Objects } from "./objects.ts";
import type { OlderRelease } from "./older-release.ts";
import { type Chunk, dictionaryAt, type Planned, planDelta } from "./recipes.ts";

export type Range = { part: PartName; offset: number; length: number };
export type DeltaTools = {
  objects: Objects;
  /** Bytes of the new release. */
  readNew(range: Range): Promise<Buffer>;
  /** Of zstd. 19 saves a tenth more than 9 and takes ten times as long; nothing between them saves anything. */
  level: number;
  progress: Progress;
  signal: AbortSignal | undefined;
};

/** To compare two dictionaries. */
const quickLevel = 3;
/** Of a step with a pack, more than of a plain one. */
const stepBytes = 21;
const atOnce = 4;

export async function makeDelta(
  older: OlderRelease,
  chunks: readonly Chunk[],
  tools: DeltaTools,
): Promise<{ recipe: Recipe; pack: Buffer }> {
  const { progress, signal } = tools;
  const plan = planDelta(older.chunks, chunks);
  const freshBytes = plan.reduce((sum, { kind, length }) => sum + (kind === "fresh" ? length : 0), 0);
  progress.stage(`making the update from ${older.version}`, freshBytes);
  const made = new Map<Planned, Made>();
  const crew = makeCrew(atOnce);
  let doneBytes = 0;
  try {
    for (const one of plan) {
      await crew.begin(async () => {
        signal?.throwIfAborted();
        made.set(one, one.kind === "copy" ? await copyStep(one, tools) : await freshSteps(one, older, tools));
        if (one.kind === "fresh") doneBytes += one.length;
        progress.at(doneBytes);
      });
    }
  } finally {
    await crew.end();
  }
  return assemble(plan.map((one) => made.get(one)!));
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

async function copyStep(
  { chunks, part, offset, length, from }: Planned & { kind: "copy" },
  { readNew }: DeltaTools,
): Promise<Made> {
  const single = chunks.length === 1 ? chunks[0] : undefined;
  const sha256 = single?.sha256 ?? hash("sha256", await readNew({ part, offset, length }));
  return { steps: [{ kind: "copy", length, sha256, from: { ...from, length } }] };
}

async function freshSteps(
  run: Planned & { kind: "fresh" },
  older: OlderRelease,
  { objects, readNew, level }: DeltaTools,
): Promise<Made> {
  const { chunks, part, offset, length } = run;
  const plain: Made = { steps: chunks.map((one): Step => ({ kind: "chunk", length: one.length, sha256: one.sha256 })) };
  const content = await readNew({ part, offset, length });
  const best = await bestDictionary(content, run, older);
  if (!best) return plain;
  const frame = await compress(content, level, best.bytes);
  let plainBytes = 0;
  for (const { sha256 } of chunks) plainBytes += (await objects.frameBytes(sha256)) ?? 0;
  if (frame.length + stepBytes >= plainBytes) return plain;
  // A wrong dictionary gives wrong bytes, and no error.
  const back = await promisify(zstdDecompress)(frame, { dictionary: best.bytes, maxOutputLength: length });
  if (!back.equals(content)) throw new HamletError("ota.damaged", `a frame of ${older.version} does not unpack again`);
  return { frame, step: { length, sha256: hash("sha256", content), from: best.from } };
}

async function bestDictionary(
  content: Buffer,
  { near }: Planned & { kind: "fresh" },
  older: OlderRelease,
): Promise<{ from: Range; bytes: Buffer } | undefined> {
  const found: { from: Range; bytes: Buffer }[] = [];
  for (const place of near) {
    const range = dictionaryAt(place, content.length, older.sizeOf(place.part));
    if (range) found.push(withoutMagic(range, await older.read(range)));
  }
  if (found.length <= 1) return found[0];
  const sizes = await Promise.all(found.map(async ({ bytes }) => (await compress(content, quickLevel, bytes)).length));
  return found[sizes.indexOf(Math.min(...sizes))];
}

const dictionaryMagic = 0xec30a437;

/** What begins with this number is no plain dictionary to zstd (RFC 8878 5), and does not load. */
export function withoutMagic(from: Range, bytes: Buffer): { from: Range; bytes: Buffer } {
  if (bytes.readUInt32LE(0) !== dictionaryMagic) return { from, bytes };
  return { from: { ...from, offset: from.offset + 1, length: from.length - 1 }, bytes: bytes.subarray(1) };
}

const compress = (content: Buffer, level: number, dictionary: Buffer): Promise<Buffer> =>
  promisify(zstdCompress)(content, {
    dictionary,
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: content.length,
  });
