// A patch: how to make bytes from similar ones of an older release, its dictionary. It copies stretches of the dictionary, changes single
// bytes in them, and has fresh bytes between them. Compiled programs whose addresses have moved need half of what zstd's own
// dictionaries need, and a device without a compiler touches only what changed.
// Pure. `ota/format.md` has the layout and a test vector.
import { HamletError } from "../../system/error.ts";

/** A stretch of the new bytes that begins at `at`, and is like the dictionary's from `from` on. */
export type Piece = { at: number; from: number; length: number };

const columnCount = 5;
const headBytes = 4 * columnCount;
/** A publisher sends no patch that is longer than what it makes and this. */
export const maxPatchBytes = (sizeBytes: number): number => sizeBytes + 64;

/** `pieces` in the order of the new bytes, without overlap there. */
export function encodePatch(dictionary: Uint8Array, bytes: Uint8Array, pieces: readonly Piece[]): Buffer {
  const columns: number[][] = Array.from({ length: columnCount }, () => []);
  const [skips, lengths, moves, gaps, changes] = columns as [number[], number[], number[], number[], number[]];
  const fresh: Uint8Array[] = [];
  let [at, from, gap] = [0, 0, 0];
  for (const piece of pieces) {
    addNumber(skips, piece.at - at);
    addNumber(lengths, piece.length);
    addNumber(moves, folded(piece.from - from));
    fresh.push(bytes.subarray(at, piece.at));
    for (let index = 0; index < piece.length; index++) {
      const change = (bytes[piece.at + index]! - dictionary[piece.from + index]!) & 0xff;
      if (change === 0) {
        gap++;
        continue;
      }
      addNumber(gaps, gap);
      changes.push(change);
      gap = 0;
    }
    at = piece.at + piece.length;
    from = piece.from + piece.length;
  }
  fresh.push(bytes.subarray(at));
  const head = Buffer.alloc(headBytes);
  for (const [index, { length }] of columns.entries()) head.writeUInt32LE(length, 4 * index);
  return Buffer.concat([head, ...columns.map((column) => Buffer.from(column)), ...fresh]);
}

/** Throws `update.badObject` for anything that does not make exactly `sizeBytes`, or reaches out of the dictionary. */
export function applyPatch(patch: Buffer, dictionary: Buffer, sizeBytes: number): Buffer {
  const refuse = () => new HamletError("update.badObject", "a patch is damaged, or not for these bytes");
  if (patch.length < headBytes) throw refuse();
  let start = headBytes;
  const columns = Array.from({ length: columnCount }, (_, index) => {
    const end = start + patch.readUInt32LE(4 * index);
    if (end > patch.length) throw refuse();
    const column = patch.subarray(start, end);
    start = end;
    return column;
  });
  const [skips, lengths, moves, gaps] = columns.slice(0, 4).map((column) => numbersOf(column, refuse));
  const changes = columns[4]!;
  const made = Buffer.alloc(sizeBytes);
  let [at, from, copied, changed] = [0, 0, 0, 0];
  // Counted over the copied bytes alone.
  let nextChange = changes.length > 0 ? gaps!.next() : Number.POSITIVE_INFINITY;
  const takeFresh = (length: number) => {
    if (start + length > patch.length || at + length > sizeBytes) throw refuse();
    patch.copy(made, at, start, start + length);
    start += length;
    at += length;
  };
  while (!skips!.isAtEnd()) {
    takeFresh(skips!.next());
    const length = lengths!.next();
    from += unfolded(moves!.next());
    if (from < 0 || from + length > dictionary.length || at + length > sizeBytes) throw refuse();
    dictionary.copy(made, at, from, from + length);
    for (const end = copied + length; nextChange < end; changed++) {
      const place = at + nextChange - copied;
      made[place] = made[place]! + changes[changed]!;
      nextChange = changed + 1 < changes.length ? nextChange + 1 + gaps!.next() : Number.POSITIVE_INFINITY;
    }
    copied += length;
    at += length;
    from += length;
  }
  takeFresh(patch.length - start);
  const isWhole = at === sizeBytes && changed === changes.length && lengths!.isAtEnd() && moves!.isAtEnd();
  if (!isWhole || !gaps!.isAtEnd()) throw refuse();
  return made;
}

/** So that small numbers of either sign stay small. */
const folded = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
const unfolded = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

/** LEB128: seven bits a byte, the lowest first, and the top bit says that more follow. */
function addNumber(to: number[], value: number): void {
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) to.push((rest & 0x7f) | 0x80);
  to.push(rest);
}

type Numbers = { next(): number; isAtEnd(): boolean };

/** Four bytes hold more than the longest step. */
function numbersOf(column: Buffer, refuse: () => HamletError): Numbers {
  let at = 0;
  return {
    next() {
      let value = 0;
      for (let shift = 0; shift < 28; shift += 7) {
        const byte = column[at++];
        if (byte === undefined) throw refuse();
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
      throw refuse();
    },
    isAtEnd: () => at >= column.length,
  };
}
