// Finds which stretches of new bytes are like which of older bytes, as delta encoders of programs do: a stretch goes on over single
// bytes that differ, until another place of the older bytes fits clearly better.
// Pure.
import type { Piece } from "../format/patch.ts";

/** Aligns new bytes to older ones. */
export type Align = (older: Uint8Array, bytes: Uint8Array) => Piece[];

/** What two places must have in common to be compared. */
const seedBytes = 8;
/** Places with the same seed that are compared: the nearest to the end first. Zeros and tables have thousands. */
const maxTries = 24;
/** After so many bytes like nothing in the older ones every second place is tried, then every third: compressed bytes have none. */
const patienceBytes = 256;
/** So many more equal bytes make another place better: a piece costs about as much. */
const margin = 8;
/** After so many equal bytes in a row the place is right, and no other one is looked for. */
const settledBytes = 16;

/** One that keeps its tables for the next bytes: a release has hundreds of patches, and fresh memory costs more than the work. */
export function makeAligner(): Align {
  const index = makeIndex();
  return (anyOlder, anyBytes) => {
    // Of one class, whatever the caller has: code for several is half as fast.
    const [older, bytes] = [plain(anyOlder), plain(anyBytes)];
    const find = index(older);
    const pieces: Piece[] = [];
    let open: Piece | undefined;
    let at = 0;
    while (at < bytes.length) {
      if (open) at = endOfEqual(older, bytes, at, open.from - open.at);
      const better = findBetter(older, bytes, at, open, find);
      if ("resumeAt" in better) {
        at = better.resumeAt;
        continue;
      }
      const opened = extendBack(older, bytes, better, open ? open.at : endOf(pieces.at(-1)));
      if (open) closeInto(pieces, older, bytes, open, opened);
      open = opened;
      at = better.at + better.length;
    }
    if (open) closeInto(pieces, older, bytes, open, undefined);
    return pieces;
  };
}

const plain = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array => new Uint8Array(buffer, byteOffset, length);

const endOf = (piece: Piece | undefined): number => (piece ? piece.at + piece.length : 0);

function endOfEqual(older: Uint8Array, bytes: Uint8Array, start: number, shift: number): number {
  let at = start;
  while (at < bytes.length && older[at + shift] === bytes[at]) at++;
  return at;
}

/** The next place from which on another stretch of the older bytes fits better than `open`, or where `open` fits well again. */
function findBetter(
  older: Uint8Array,
  bytes: Uint8Array,
  start: number,
  open: Piece | undefined,
  find: Find,
): Piece | { resumeAt: number } {
  const shift = open ? open.from - open.at : Number.NaN;
  let equalInRow = 0;
  let lastFoundAt = start;
  for (let at = start; at < bytes.length; at += 1 + Math.floor((at - lastFoundAt) / patienceBytes)) {
    const found = find(bytes, at);
    if (found.length > 0) {
      lastFoundAt = at;
      const isOpen = found.from - at === shift;
      const score = isOpen ? found.length : countEqual(older, bytes, at, found.length, shift);
      if (found.length > score + margin) return { at, ...found };
      if (score === found.length) return { resumeAt: at + found.length };
    }
    equalInRow = older[at + shift] === bytes[at] ? equalInRow + 1 : 0;
    if (equalInRow >= settledBytes) return { resumeAt: at + 1 };
  }
  return { resumeAt: bytes.length };
}

function countEqual(older: Uint8Array, bytes: Uint8Array, start: number, length: number, shift: number): number {
  let count = 0;
  for (let at = start; at < start + length; at++) if (older[at + shift] === bytes[at]) count++;
  return count;
}

/** Longer at its beginning as long as more than half of the bytes are equal. */
function extendBack(older: Uint8Array, bytes: Uint8Array, { at, from, length }: Piece, least: number): Piece {
  let [score, best, by] = [0, 0, 0];
  for (let back = 1; at - back >= least && from - back >= 0; back++) {
    score += older[from - back] === bytes[at - back] ? 1 : -1;
    if (score > best) [best, by] = [score, back];
    // Nothing before this makes up for it.
    if (score < best - 256) break;
  }
  return { at: at - by, from: from - by, length: length + by };
}

/** Ends `open` where it no longer fits, at the latest where `next` begins; where both fit, at the place that suits both best. */
function closeInto(pieces: Piece[], older: Uint8Array, bytes: Uint8Array, open: Piece, next: Piece | undefined): void {
  const shift = open.from - open.at;
  const limit = Math.min(next ? next.at + next.length : bytes.length, older.length - shift);
  let end = bestEnd(older, bytes, open.at, limit, shift);
  if (next && end > next.at) {
    const cut = bestCut(older, bytes, { from: next.at, to: end }, shift, next.from - next.at);
    next.length -= cut - next.at;
    next.from += cut - next.at;
    next.at = cut;
    end = cut;
  }
  if (end > open.at) pieces.push({ ...open, length: end - open.at });
}

function bestEnd(older: Uint8Array, bytes: Uint8Array, start: number, limit: number, shift: number): number {
  let [score, best, end] = [0, 0, start];
  for (let at = start; at < limit; at++) {
    score += older[at + shift] === bytes[at] ? 1 : -1;
    if (score > best) {
      best = score;
      end = at + 1;
    }
  }
  return end;
}

function bestCut(
  older: Uint8Array,
  bytes: Uint8Array,
  { from, to }: { from: number; to: number },
  before: number,
  behind: number,
): number {
  let [score, best, cut] = [0, 0, from];
  for (let at = from; at < to; at++) {
    score += Number(older[at + before] === bytes[at]) - Number(older[at + behind] === bytes[at]);
    if (score > best) [best, cut] = [score, at + 1];
  }
  return cut;
}

type Find = (bytes: Uint8Array, at: number) => { from: number; length: number };

/** Finds the longest of the stretches that begin with the same seed. Valid until the next older bytes are indexed. */
function makeIndex(): (older: Uint8Array) => Find {
  let lasts = new Int32Array(0);
  let befores = new Int32Array(0);
  return (older) => {
    const tableBits = Math.max(10, Math.ceil(Math.log2(older.length + 1)));
    if (lasts.length < 2 ** tableBits) lasts = new Int32Array(2 ** tableBits);
    if (befores.length < older.length) befores = new Int32Array(2 ** tableBits);
    const last = lasts.subarray(0, 2 ** tableBits).fill(-1);
    const drop = 32 - tableBits;
    chainSeeds(older, last, befores, drop);
    return finder(older, last, befores, drop);
  };
}

/** `last`: where each seed was last; `before`: where the seed of a place was before that. */
function chainSeeds(older: Uint8Array, last: Int32Array, before: Int32Array, drop: number): void {
  // The eight bytes before each place, moved on by one: the first time from those before the first.
  let low = wordAt(older, 0) << 8;
  let high = (wordAt(older, 4) << 8) | older[3]!;
  for (let at = 0; at + seedBytes <= older.length; at++) {
    low = (low >>> 8) | (older[at + 3]! << 24);
    high = (high >>> 8) | (older[at + 7]! << 24);
    const key = keyOf(low, high) >>> drop;
    before[at] = last[key]!;
    last[key] = at;
  }
}

function finder(older: Uint8Array, last: Int32Array, before: Int32Array, drop: number): Find {
  const none = { from: 0, length: 0 };
  return (bytes, at) => {
    if (at + seedBytes > bytes.length) return none;
    let [from, length] = [0, seedBytes - 1];
    for (
      let place = last[keyOf(wordAt(bytes, at), wordAt(bytes, at + 4)) >>> drop]!, tries = maxTries;
      place >= 0 && tries > 0;
      tries--
    ) {
      // A longer one has the next byte, too.
      if (older[place + length] === bytes[at + length]) {
        const equal = endOfEqual(older, bytes, at, place - at) - at;
        if (equal > length) [from, length] = [place, equal];
      }
      place = before[place]!;
    }
    return length < seedBytes ? none : { from, length };
  };
}

const keyOf = (low: number, high: number): number => Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);

const wordAt = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
