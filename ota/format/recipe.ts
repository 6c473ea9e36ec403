// A recipe: how to make the parts of a release from chunks, one step after the other. Binary, because most of it is digests.
// Pure. `ota/format.md` has the layout and test vectors.
import { HamletError } from "../../system/error.ts";
import { maxRecipeBytes } from "./limits.ts";
import type { Part } from "./manifest.ts";

/** A step writes at most this much, so that the device needs one buffer of this size. */
export const maxStepBytes = 1 << 20;
/** A dictionary is the old release's bytes around the place: the chunk's length and 128 KiB on either side. */
export const maxDictionaryBytes = maxStepBytes + (256 << 10);
/** The frame that makes a step is hardly longer than the step. */
const maxFrameBytes = 2 * maxStepBytes;

/** Where bytes lie in the older release that a recipe starts from: in which of its parts, by place in this list. */
export const oldParts = ["root", "kernel", "boot"] as const;
export type OldPart = (typeof oldParts)[number];
type OldRange = { part: OldPart; offset: number; length: number };

/** Every step makes `length` bytes whose digest is `sha256`. */
export type Step = { length: number; sha256: string } & (
  | { kind: "chunk" }
  /** Copy from the older release. Its places hold zeros, as in its digests. */
  | { kind: "copy"; from: OldRange }
  /** Decompress this range of the pack, with that range of the older release as dictionary. */
  | { kind: "packed"; pack: { offset: number; length: number }; from: OldRange }
);
export type Recipe = { steps: Step[]; pack?: { sha256: string; sizeBytes: number } };
/** Steps are read from its bytes one at a time: all at once would take a device's heap twelve times as much. */
export type OpenRecipe = { steps: Pick<readonly Step[], "length" | "at">; pack?: Recipe["pack"] };

const magic = Buffer.from("hamlet recipe 1\n");
const kinds = ["chunk", "copy", "packed"] as const;
const sizeOf = { chunk: 37, copy: 46, packed: 58 } as const;
const packBytes = 40;
/** Before the first step. */
export const recipeHeadBytes = magic.length + packBytes;
export const chunkStepBytes = sizeOf.chunk;
/** In a step. */
export const digestAt = 5;

export function encodeRecipe({ steps, pack }: Recipe): Buffer {
  const head = Buffer.alloc(recipeHeadBytes);
  magic.copy(head);
  if (pack) {
    head.write(pack.sha256, magic.length, "hex");
    head.writeBigUInt64LE(BigInt(pack.sizeBytes), magic.length + 32);
  }
  return Buffer.concat([head, ...steps.map(encodeStep)]);
}

function encodeStep(step: Step): Buffer {
  const bytes = Buffer.alloc(sizeOf[step.kind]);
  bytes.writeUInt8(kinds.indexOf(step.kind), 0);
  bytes.writeUInt32LE(step.length, 1);
  bytes.write(step.sha256, 5, "hex");
  if (step.kind === "chunk") return bytes;
  bytes.writeUInt8(oldParts.indexOf(step.from.part), 37);
  bytes.writeBigUInt64LE(BigInt(step.from.offset), 38);
  if (step.kind === "copy") return bytes;
  // A dictionary is not as long as the step.
  bytes.writeUInt32LE(step.from.length, 46);
  bytes.writeUInt32LE(step.pack.length, 50);
  bytes.writeUInt32LE(step.pack.offset, 54);
  return bytes;
}

export function decodeRecipe(bytes: Buffer, parts: Pick<Part, "name" | "sizeBytes">[]): Recipe {
  const { steps, ...rest } = openRecipe(bytes, parts);
  return { steps: Array.from({ length: steps.length }, (_, index) => steps.at(index)!), ...rest };
}

/** Throws `update.badRecipe` for anything that does not make exactly `parts`, or would need more memory than a step may. */
export function openRecipe(bytes: Buffer, parts: Pick<Part, "name" | "sizeBytes">[]): OpenRecipe {
  const refuse = (why: string) => new HamletError("update.badRecipe", `the recipe ${why}`);
  if (bytes.length > maxRecipeBytes) throw refuse("is too large");
  if (!bytes.subarray(0, magic.length).equals(magic)) throw refuse("has an unknown format");
  let at = recipeHeadBytes;
  if (bytes.length < at) throw refuse("is truncated");
  const pack = {
    sha256: bytes.toString("hex", magic.length, magic.length + 32),
    sizeBytes: Number(bytes.readBigUInt64LE(magic.length + 32)),
  };
  const places = new Uint32Array(Math.ceil(bytes.length / sizeOf.chunk));
  let count = 0;
  const ends = partEnds(parts);
  let made = 0;
  while (at < bytes.length) {
    const step = stepAt(bytes, at);
    if (!step) throw refuse(`has a bad step at byte ${at}`);
    const isSane =
      step.length > 0 &&
      step.length <= maxStepBytes &&
      (step.kind === "chunk" || isOldRange(step.from)) &&
      (step.kind !== "packed" || isFrame(step.pack, pack.sizeBytes));
    if (!isSane) throw refuse(`has a step out of bounds at byte ${at}`);
    const end = ends.find((one) => one > made);
    made += step.length;
    if (end === undefined || made > end) throw refuse("makes more than its parts hold");
    places[count++] = at;
    at += sizeOf[step.kind];
  }
  if (made !== ends.at(-1)) throw refuse("makes less than its parts hold");
  const steps = { length: count, at: (index: number) => stepAt(bytes, places[index]!) };
  return pack.sizeBytes > 0 ? { steps, pack } : { steps };
}

/** Undefined if there is no whole step. */
function stepAt(all: Buffer, at: number): Step | undefined {
  const kind = kinds[all.readUInt8(at)];
  if (!kind || at + sizeOf[kind] > all.length) return undefined;
  const bytes = all.subarray(at, at + sizeOf[kind]);
  const length = bytes.readUInt32LE(1);
  const common = { length, sha256: bytes.toString("hex", 5, 37) };
  if (kind === "chunk") return { ...common, kind };
  // Out of range becomes `undefined`, which isOldRange() refuses.
  const part = oldParts[bytes.readUInt8(37)]!;
  const offset = Number(bytes.readBigUInt64LE(38));
  if (kind === "copy") return { ...common, kind, from: { part, offset, length } };
  const from = { part, offset, length: bytes.readUInt32LE(46) };
  return { ...common, kind, from, pack: { length: bytes.readUInt32LE(50), offset: bytes.readUInt32LE(54) } };
}

const isFrame = ({ offset, length }: { offset: number; length: number }, packBytes: number): boolean =>
  length > 0 && length <= maxFrameBytes && offset + length <= packBytes && Number.isSafeInteger(packBytes);

const isOldRange = ({ part, offset, length }: OldRange): boolean =>
  oldParts.includes(part) && Number.isSafeInteger(offset + length) && length <= maxDictionaryBytes;

function partEnds(parts: Pick<Part, "sizeBytes">[]): number[] {
  let end = 0;
  return parts.map(({ sizeBytes }) => {
    end += sizeBytes;
    return end;
  });
}
