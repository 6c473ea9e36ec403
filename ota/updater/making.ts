// Makes the bytes of a recipe's step: copied from the running release, unpacked with its bytes as dictionary, or from chunks that the
// agent fetches. What is made from the running release and turns out wrong, or does not read, is fetched: a card that loses sectors
// must not stop the update that may save it.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import { backoffMs } from "../../system/retry.ts";
import type { OldPart } from "../format/recipe.ts";
import type { ObjectRef } from "./agent-door.ts";
import { readCleared } from "./own-places.ts";
import type { Unpack } from "./packed-step.ts";
import type { PlacedStep } from "./plan.ts";

export type Sources = {
  /** Bytes of the running release, fewer at the end of its part; undefined if they do not read. */
  readOld(part: OldPart, offset: number, length: number): Promise<Buffer | undefined>;
  fetch(ref: ObjectRef): Promise<Buffer>;
  unpack: Unpack;
  /** The steps of the recipe of whole chunks that make these bytes; `at` counts through all parts. */
  wholeSteps(at: number, length: number): Promise<PlacedStep[]>;
} & Patience;
export type Patience = { sleep(ms: number): Promise<void>; random(): number };

/** The step's bytes with zeros in their places, as its digest has them. Throws what `fetch` throws in the end, or `update.badRecipe`. */
export async function makeStep(step: PlacedStep, sources: Sources): Promise<Buffer> {
  switch (step.kind) {
    case "chunk":
      return fetchChunk(step, sources);
    case "copy":
      return (await copyOld(step, sources)) ?? fetchRange(step, sources);
    case "packed":
      return makePacked(step, sources);
  }
}

async function makePacked(step: PlacedStep & { kind: "packed" }, sources: Sources): Promise<Buffer> {
  const { unpack } = sources;
  let bytes: Buffer | undefined;
  try {
    bytes = await patiently(() => unpack.make(step), sources, isPassing);
  } catch (error) {
    if (!isPassing(error)) throw error;
    // If no chunk comes either, this is the line, and the next attempt begins with the pack again.
    bytes = await fetchRange(step, sources);
    unpack.giveUp();
  }
  return bytes ?? fetchRange(step, sources);
}

const isMade = (bytes: Buffer, { length, sha256 }: PlacedStep): boolean =>
  bytes.length === length && hash("sha256", bytes, "hex") === sha256;

async function copyOld(step: PlacedStep & { kind: "copy" }, sources: Sources): Promise<Buffer | undefined> {
  const { part, offset, length } = step.from;
  const bytes = await sources.readOld(part, offset, length);
  if (!bytes || isMade(bytes, step)) return bytes;
  const cleared = await readCleared(sources.readOld, step.from);
  return cleared && isMade(cleared, step) ? cleared : undefined;
}

/** From the chunks of the recipe that needs no older release. */
async function fetchRange(step: PlacedStep, sources: Sources): Promise<Buffer> {
  const bytes = Buffer.alloc(step.length);
  for (const chunk of await sources.wholeSteps(step.at, step.length)) {
    if (chunk.kind !== "chunk") throw unmakeable("its recipe for any release needs an older one");
    const content = await fetchChunk(chunk, sources);
    const from = Math.max(step.at, chunk.at);
    const end = Math.min(step.at + step.length, chunk.at + chunk.length);
    content.copy(bytes, from - step.at, from - chunk.at, end - chunk.at);
  }
  if (isMade(bytes, step)) return bytes;
  throw unmakeable("its recipes make different bytes");
}

const unmakeable = (why: string) =>
  new HamletError("update.badRecipe", `the release cannot be made: ${why}`, { hint: "publish the release again" });

const fetchChunk = ({ sha256, length }: PlacedStep, sources: Sources): Promise<Buffer> =>
  patiently(() => sources.fetch({ sha256, sizeBytes: length }), sources);

const pauses = { firstMs: 1_000, longestMs: 30_000 };
/** Two minutes of a bad line. Longer ones end this attempt, and the next one goes on from what is written. */
const tries = 7;
const isCode = (error: unknown, ...codes: HamletError["code"][]): boolean =>
  error instanceof HamletError && codes.includes(error.code);
const isPassing = (error: unknown): boolean => isCode(error, "update.agentSilent", "update.unreachable");

/** Does it in spite of failures that pass, such as wrong bytes from a proxy. Throws the last one. */
export async function patiently<T>(
  act: () => Promise<T>,
  { sleep, random }: Patience,
  passes = (error: unknown) => isPassing(error) || isCode(error, "update.badObject"),
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await act();
    } catch (error) {
      if (failures + 1 === tries || !passes(error)) throw error;
      await sleep(backoffMs(pauses, failures, random()));
    }
  }
}

/** Makes up to `atOnce` steps at a time and yields them in order: the line is busy while the disk writes. */
export async function* makeAhead(
  steps: AsyncIterable<PlacedStep> | Iterable<PlacedStep>,
  make: (step: PlacedStep) => Promise<Buffer>,
  atOnce = 4,
): AsyncGenerator<{ step: PlacedStep; bytes: Buffer }, void> {
  const waiting: { step: PlacedStep; bytes: Promise<Buffer> }[] = [];
  const take = async () => {
    const { step, bytes } = waiting.shift()!;
    return { step, bytes: await bytes };
  };
  for await (const step of steps) {
    const bytes = make(step);
    // If an earlier one fails, nobody waits for this one.
    bytes.catch(() => {});
    waiting.push({ step, bytes });
    if (waiting.length === atOnce) yield await take();
  }
  while (waiting.length > 0) yield await take();
}
