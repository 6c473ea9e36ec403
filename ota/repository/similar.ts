// Finds where in an older release something like new bytes lies. A recompiled program moves, and with it all that lies behind it.
// It keeps one in some sixty places, chosen by the bytes there, of the chunks that the new release no longer has.
// Pure.
import type { PartName } from "../format/manifest.ts";
import { oldParts } from "../format/recipe.ts";

/** The old bytes that lie where the first and the last of the similar ones would have all of them in between. */
export type Span = { part: PartName; from: number; to: number };
export type Similar = {
  add(part: PartName, offset: number, bytes: Uint8Array): void;
  find(bytes: Uint8Array): Span | undefined;
};

/** One place in so many is kept: those whose four bytes, multiplied, have zeros at the top. */
const keptBits = 6;
const wordBytes = 12;
/** More would be another place. */
const bucketBytes = 64 << 10;
/** Fewer places may be chance. */
const minVotes = 3;

type Bucket = { part: PartName; votes: number; from: number; to: number };

/** `sizeBytes`: of all that will be added. */
export function makeSimilar(sizeBytes: number): Similar {
  const tableBits = Math.max(10, Math.ceil(Math.log2((sizeBytes >> keptBits) + 1)) + 1);
  const keys = new Int32Array(2 ** tableBits);
  const places = new Float64Array(keys.length).fill(-1);
  const chunks: { start: number; part: PartName; offset: number }[] = [];
  let added = 0;
  const slotOf = (key: number) => Math.imul(key, 0x9e3779b1) >>> (32 - tableBits);

  function placeOf(position: number): { part: PartName; offset: number } {
    let [low, high] = [0, chunks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (chunks[middle]!.start <= position) low = middle;
      else high = middle - 1;
    }
    const { start, part, offset } = chunks[low]!;
    return { part, offset: offset + position - start };
  }

  return {
    add(part, offset, bytes) {
      chunks.push({ start: added, part, offset });
      eachKept(bytes, (at, key) => {
        const slot = slotOf(key);
        const place = places[slot]!;
        if (place === -1) {
          keys[slot] = key;
          places[slot] = added + at;
        } else if (keys[slot] === key && added + at - place > bucketBytes) {
          // What lies everywhere says nothing of any place.
          places[slot] = -2;
        }
      });
      added += bytes.length;
    },
    find(bytes) {
      const buckets = new Map<number, Bucket>();
      eachKept(bytes, (at, key) => {
        const slot = slotOf(key);
        if (keys[slot] !== key || places[slot]! < 0) return;
        const { part, offset } = placeOf(places[slot]!);
        const from = offset - at;
        // Each bucket overlaps half of the next one, so that no place lies on an edge of both.
        const half = Math.floor((2 * from) / bucketBytes);
        vote(buckets, half, part, from);
        vote(buckets, half - 1, part, from);
      });
      let best: Bucket | undefined;
      for (const one of buckets.values()) if (one.votes > (best?.votes ?? minVotes - 1)) best = one;
      return best && { part: best.part, from: Math.max(0, best.from), to: best.to + bytes.length };
    },
  };
}

function vote(buckets: Map<number, Bucket>, half: number, part: PartName, from: number): void {
  // A number, because text takes ten times as long to look up.
  const name = half * oldParts.length + oldParts.indexOf(part);
  const bucket = buckets.get(name);
  if (bucket) {
    bucket.votes += 1;
    bucket.from = Math.min(bucket.from, from);
    bucket.to = Math.max(bucket.to, from);
  } else buckets.set(name, { part, votes: 1, from, to: from });
}

function eachKept(bytes: Uint8Array, visit: (at: number, key: number) => void): void {
  for (let at = nextKept(bytes, 0); at >= 0; at = nextKept(bytes, at + 1)) {
    const mixed = Math.imul(wordAt(bytes, at), 0x9e3779b1);
    visit(at, mixed ^ Math.imul(wordAt(bytes, at + 4), 0x85ebca6b) ^ Math.imul(wordAt(bytes, at + 8), 0xc2b2ae35));
  }
}

/** The first place from `start` on that is kept; -1 if there is none. */
function nextKept(bytes: Uint8Array, start: number): number {
  // The word before each place, moved on by one: reading all of each takes twice as long.
  let word = wordAt(bytes, start) << 8;
  for (let at = start; at + wordBytes <= bytes.length; at++) {
    word = (word >>> 8) | (bytes[at + 3]! << 24);
    // Padding has the same word again and again.
    if (Math.imul(word, 0x9e3779b1) >>> (32 - keptBits) === 0 && word !== 0 && word !== -1) return at;
  }
  return -1;
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
