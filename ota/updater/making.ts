// Makes the bytes of a recipe's step: copied from the running release, or from chunks that the agent fetches. What is copied and
// turns out wrong, or does not read, is fetched: a card that loses sectors must not stop the update that may save it.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import { backoffMs } from "../../system/retry.ts";
import type { OldPart } from "../format/recipe.ts";
import type { Fetched, ObjectRef } from "./agent-door.ts";
import { clearLikelyPlaces } from "./own-places.ts";
import { type PlacedStep, stepsCovering } from "./plan.ts";

export type Sources = {
  /** Bytes of the running release; undefined if they do not read. */
  readOld(part: OldPart, offset: number, length: number): Promise<Buffer | undefined>;
  fetch(ref: ObjectRef): Promise<Fetched>;
  /** The recipe of whole chunks, placed like the one in use. */
  wholeSteps(): Promise<PlacedStep[]>;
  sleep(ms: number): Promise<void>;
  random(): number;
  onFetched(fetched: Fetched): void;
};

/** The step's bytes with zeros in their places, as its digest has them. Throws what `fetch` throws in the end, or `update.badRecipe`. */
export async function makeStep(step: PlacedStep, sources: Sources): Promise<Buffer> {
  switch (step.kind) {
    case "chunk":
      return fetchPatiently({ sha256: step.sha256, sizeBytes: step.length }, sources);
    case "copy":
      return (await copyOld(step, sources)) ?? fetchRange(step, sources);
    case "packed":
      return fetchRange(step, sources);
  }
}

const isMade = (bytes: Buffer, { length, sha256 }: PlacedStep): boolean =>
  bytes.length === length && hash("sha256", bytes, "hex") === sha256;

async function copyOld(step: PlacedStep & { kind: "copy" }, sources: Sources): Promise<Buffer | undefined> {
  const { part, offset, length } = step.from;
  const bytes = await sources.readOld(part, offset, length);
  if (!bytes || isMade(bytes, step)) return bytes;
  clearLikelyPlaces(bytes);
  return isMade(bytes, step) ? bytes : undefined;
}

/** From the chunks of the recipe that needs no older release. */
async function fetchRange(step: PlacedStep, sources: Sources): Promise<Buffer> {
  const bytes = Buffer.alloc(step.length);
  for (const chunk of stepsCovering(await sources.wholeSteps(), step.at, step.length)) {
    if (chunk.kind !== "chunk") throw unmakeable("its recipe for any release needs an older one");
    const content = await fetchPatiently({ sha256: chunk.sha256, sizeBytes: chunk.length }, sources);
    const from = Math.max(step.at, chunk.at);
    const end = Math.min(step.at + step.length, chunk.at + chunk.length);
    content.copy(bytes, from - step.at, from - chunk.at, end - chunk.at);
  }
  if (isMade(bytes, step)) return bytes;
  throw unmakeable("its recipes make different bytes");
}

const unmakeable = (why: string) =>
  new HamletError("update.badRecipe", `the release cannot be made: ${why}`, { hint: "publish the release again" });

const pauses = { firstMs: 1_000, longestMs: 30_000 };
/** Two minutes of a bad line. Longer ones end this attempt, and the next one goes on from what is written. */
const tries = 7;
const passing = new Set<string>(["update.agentSilent", "update.unreachable", "update.badObject"]);

/** An object, in spite of failures that pass. Throws the last one. */
export async function fetchPatiently(
  ref: ObjectRef,
  { fetch, sleep, random, onFetched }: Pick<Sources, "fetch" | "sleep" | "random" | "onFetched">,
): Promise<Buffer> {
  for (let failures = 0; ; failures++) {
    try {
      const fetched = await fetch(ref);
      onFetched(fetched);
      return fetched.content;
    } catch (error) {
      if (failures + 1 === tries || !(error instanceof HamletError) || !passing.has(error.code)) throw error;
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
