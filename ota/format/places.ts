// Fills in the places of a part that differ from device to device, or puts zeros there, which digests are over.
// Pure.
import type { Place } from "./manifest.ts";

/** What this device has in each place. Pure data: one letter, or eight hex digits. */
export type PlaceValues = Record<Place["name"], string>;

/** Writes zeros over the places in `bytes`, which lie at `offset` in their part. */
export const clearPlaces = (bytes: Buffer, offset: number, places: Place[]): void =>
  overwrite(bytes, offset, places, ({ sizeBytes }) => Buffer.alloc(sizeBytes));

export const fillPlaces = (bytes: Buffer, offset: number, places: Place[], values: PlaceValues): void =>
  overwrite(bytes, offset, places, ({ name, sizeBytes }) => {
    const value = Buffer.alloc(sizeBytes);
    value.write(values[name], "latin1");
    return value;
  });

function overwrite(bytes: Buffer, offset: number, places: Place[], contentOf: (place: Place) => Buffer): void {
  for (const place of places) {
    const value = contentOf(place);
    // A place may begin in one piece and end in the next.
    const first = Math.max(place.offset, offset);
    const end = Math.min(place.offset + place.sizeBytes, offset + bytes.length);
    if (first < end) value.copy(bytes, first - offset, first - place.offset, end - place.offset);
  }
}
