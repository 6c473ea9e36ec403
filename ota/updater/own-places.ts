// Finds the places of a part that differ from device to device in bytes of the running release, whose manifest the device does not
// keep. A wrong guess costs a chunk: the digest of the step decides.
// Pure.
import type { OldPart } from "../format/recipe.ts";

const beginning = "hamlet.";
const words = [/^\W?hamlet\.slot=([ab])(?!\w)/d, /^\W?hamlet\.disk=([0-9a-f]{8})(?!\w)/d];
/** Longer than any of the words. */
const wordBytes = 64;

/** Writes zeros over what looks like a place. */
export function clearLikelyPlaces(bytes: Buffer): void {
  for (let at = bytes.indexOf(beginning); at !== -1; at = bytes.indexOf(beginning, at + 1)) {
    // With what is before it: a word begins there.
    const first = Math.max(0, at - 1);
    const text = bytes.toString("latin1", first, at + wordBytes);
    for (const word of words) {
      const [start, end] = word.exec(text)?.indices?.[1] ?? [0, 0];
      bytes.fill(0, first + start, first + end);
    }
  }
}

/** A range of the running release with zeros over what looks like a place; undefined if it does not read. */
export async function readCleared(
  readOld: (part: OldPart, offset: number, length: number) => Promise<Buffer | undefined>,
  { part, offset, length }: { part: OldPart; offset: number; length: number },
): Promise<Buffer | undefined> {
  // A word that holds a place may begin before the range, or end behind it.
  const before = Math.min(offset, wordBytes);
  const bytes = await readOld(part, offset - before, before + length + wordBytes);
  if (!bytes) return undefined;
  clearLikelyPlaces(bytes);
  return bytes.subarray(before, before + length);
}
