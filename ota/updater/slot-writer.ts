// Writes a part of the other slot and verifies it by reading back. The first block is written last, so that a part that is not whole
// never mounts. What the slot already holds, of an attempt cut off or of an older release, is neither fetched nor written again:
// its digest says so, and no mark on the disk has to be believed.

import { blockBytes } from "../../image/disk/block.ts";
import { HamletError } from "../../system/error.ts";
import { free } from "../../system/free.ts";
import type { Manifest, Part } from "../format/manifest.ts";
import { fillPlaces, type PlaceValues } from "../format/places.ts";
import { maxStepBytes } from "../format/recipe.ts";
import { makeTree } from "../format/verity.ts";
import { makeAhead } from "./making.ts";
import { isPart, isStep } from "./part-content.ts";
import type { PartPlan, PlacedStep } from "./plan.ts";
import type { SlotPart } from "./slot-part.ts";

/** A power cut costs at most this much of what was written. */
const syncEveryBytes = 64 << 20;

/** Calls of the writer and of the verifier, with the bytes of the part that are done. */
export type OnDone = (doneBytes: number) => void;

/** The part is written except for its first block, which `finish` writes. */
export type Written = { first: Buffer };

export async function writePart(
  target: SlotPart,
  { part, steps }: PartPlan,
  values: PlaceValues,
  make: (step: PlacedStep) => Promise<Buffer>,
  onDone: OnDone,
  onFound: (step: PlacedStep) => void = () => {},
): Promise<Written> {
  const first = await hideStart(target);
  let doneBytes = 0;
  let unsyncedBytes = 0;
  const finished = (bytes: number) => {
    doneBytes += bytes;
    onDone(doneBytes);
  };
  const read = windowOn(target, part.sizeBytes);
  async function* missing() {
    for (const step of steps) {
      const found = await read(step.offset, step.length);
      if (step.offset < first.length) first.copy(found, 0, step.offset);
      if (isStep(found, step, part.places, values)) {
        onFound(step);
        finished(step.length);
      } else yield step;
    }
  }
  for await (const { step, bytes } of makeAhead(missing(), make)) {
    fillPlaces(bytes, step.offset, part.places, values);
    // `first` holds the bytes of the first block; the disk gets the rest.
    const kept = Math.max(0, Math.min(bytes.length, first.length - step.offset));
    bytes.copy(first, step.offset, 0, kept);
    if (kept < bytes.length) await target.write(bytes.subarray(kept), step.offset + kept);
    free(bytes);
    unsyncedBytes += step.length;
    if (unsyncedBytes >= syncEveryBytes) {
      await target.sync();
      unsyncedBytes = 0;
    }
    finished(step.length);
  }
  await target.sync();
  return { first };
}

/**
 * Reads steps in order, a megabyte at a time and ahead of the writes: a direct read makes the kernel write what is new in its pages, and
 * steps share pages.
 */
function windowOn(target: SlotPart, endBytes: number): SlotPart["read"] {
  let start = 0;
  let window: Buffer = Buffer.alloc(0);
  return async (offset, length) => {
    if (offset < start || offset + length > start + window.length) {
      start = offset;
      window =
        (await readable(target, offset, Math.min(maxStepBytes, endBytes - offset))) ??
        (await readable(target, offset, length)) ??
        Buffer.alloc(0);
    }
    return window.subarray(offset - start, offset - start + length);
  };
}

/** Undefined for what does not read. It is written again like any wrong bytes: a disk replaces a sector that fails when it is written. */
const readable = (target: SlotPart, offset: number, length: number): Promise<Buffer | undefined> =>
  target.read(offset, length).catch(() => undefined);

/** Puts zeros in the first block, and returns what was there. */
async function hideStart(target: SlotPart): Promise<Buffer> {
  const first = Buffer.alloc(blockBytes);
  const found = await readable(target, 0, blockBytes);
  found?.copy(first);
  if (!found || first.some((byte) => byte !== 0)) {
    await target.write(Buffer.alloc(blockBytes), 0);
    await target.sync();
  }
  return first;
}

/** The part's bytes as the medium has them, with `first` in front. */
async function* readBackWith(target: SlotPart, { sizeBytes }: Part, { first }: Written, onDone: OnDone) {
  let offset = 0;
  for await (const piece of target.readBack(sizeBytes)) {
    if (offset < first.length) first.copy(piece, 0, offset, offset + piece.length);
    yield piece;
    offset += piece.length;
    onDone(offset);
  }
}

/** Makes the hash tree of what the medium has, and writes it. Throws `update.verifyFailed`. */
export async function verifyRoot(
  root: SlotPart,
  tree: SlotPart,
  part: Part,
  verity: Manifest["verity"],
  written: Written,
  onDone: OnDone,
): Promise<void> {
  const made = makeTree(verity.dataBlocks);
  for await (const piece of readBackWith(root, part, written, onDone)) made.add(piece);
  const { tree: bytes, rootHash } = made.finish();
  if (rootHash !== verity.rootHash) throw readsDifferently("root");
  await tree.write(bytes, 0);
  await tree.sync();
  let offset = 0;
  for await (const piece of tree.readBack(bytes.length)) {
    if (!piece.equals(bytes.subarray(offset, offset + piece.length))) throw readsDifferently("the hash tree");
    offset += piece.length;
  }
}

/** Throws `update.verifyFailed`. */
export async function verifyPart(
  target: SlotPart,
  part: Part,
  values: PlaceValues,
  written: Written,
  onDone: OnDone,
): Promise<void> {
  if (!(await isPart(readBackWith(target, part, written, onDone), part, values))) throw readsDifferently(part.name);
}

/** Writes the first block of a verified part. Throws `update.verifyFailed`. */
export async function finishPart(target: SlotPart, part: Part, { first }: Written): Promise<void> {
  await target.write(first, 0);
  await target.sync();
  for await (const piece of target.readBack(Math.min(first.length, part.sizeBytes))) {
    if (!piece.equals(first.subarray(0, piece.length))) throw readsDifferently(part.name);
  }
}

const readsDifferently = (what: string) =>
  new HamletError("update.verifyFailed", `${what} reads back differently from what the release contains`, {
    hint: "the running slot is untouched; if it happens again, replace the card or disk",
  });
