// Finds the places of a part that differ from device to device in bytes of the running release, whose manifest the device does not
// keep. A wrong guess costs a chunk: the digest of the step decides.
// Pure.
import type { OldPart } from "../format/recipe.ts";

const words = [/\bhamlet\.slot=([ab])(?![\w])/dg, /\bhamlet\.disk=([0-9a-f]{8})(?![\w])/dg];

/** Writes zeros over what looks like a place. */
export function clearLikelyPlaces(bytes: Buffer): void {
  const text = bytes.toString("latin1");
  for (const word of words) {
    for (const { indices } of text.matchAll(word)) {
      const [start, end] = indices![1]!;
      bytes.fill(0, start, end);
    }
  }
}

/** A word that holds a place may begin before a range, or end behind it. */
const marginBytes = 64;

/** A range of the running release with zeros over what looks like a place; undefined if it does not read. */
export async function readCleared(
  readOld: (part: OldPart, offset: number, length: number) => Promise<Buffer | undefined>,
  { part, offset, length }: { part: OldPart; offset: number; length: number },
): Promise<Buffer | undefined> {
  const before = Math.min(offset, marginBytes);
  const bytes = await readOld(part, offset - before, before + length + marginBytes);
  if (!bytes) return undefined;
  clearLikelyPlaces(bytes);
  return bytes.subarray(before, before + length);
}
