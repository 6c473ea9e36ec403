// Whether bytes are a part of a release as this device should have it: the signed content, with this device's values in the places.
// Pure: bytes come in as a stream.
import { createHash, hash } from "node:crypto";
import type { Part, Place } from "../format/manifest.ts";
import { clearPlaces, fillPlaces, type PlaceValues } from "../format/places.ts";

/** `bytes` with zeros in its places; undefined if a place does not hold this device's value. `offset`: where they begin in the part. */
export function signedBytes(bytes: Buffer, offset: number, places: Place[], values: PlaceValues): Buffer | undefined {
  const hasPlace = places.some((one) => one.offset < offset + bytes.length && one.offset + one.sizeBytes > offset);
  if (!hasPlace) return bytes;
  const cleared = Buffer.from(bytes);
  clearPlaces(cleared, offset, places);
  const filled = Buffer.from(cleared);
  fillPlaces(filled, offset, places, values);
  return filled.equals(bytes) ? cleared : undefined;
}

export function isStep(
  bytes: Buffer,
  { offset, length, sha256 }: { offset: number; length: number; sha256: string },
  places: Place[],
  values: PlaceValues,
): boolean {
  const signed = bytes.length === length ? signedBytes(bytes, offset, places, values) : undefined;
  return signed !== undefined && hash("sha256", signed, "hex") === sha256;
}

export async function isPart(
  pieces: AsyncIterable<Buffer>,
  { sizeBytes, sha256, places }: Part,
  values: PlaceValues,
): Promise<boolean> {
  const digest = createHash("sha256");
  let offset = 0;
  for await (const piece of pieces) {
    const signed = signedBytes(piece, offset, places, values);
    if (!signed) return false;
    digest.update(signed);
    offset += piece.length;
  }
  return offset === sizeBytes && digest.digest("hex") === sha256;
}
