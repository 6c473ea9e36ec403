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
  const columns = Array.from({ length: columnCount }, makeColumn);
  const [skips, lengths, moves, gaps, changes] = columns as [Column, Column, Column, Column, Column];
  const fresh: Uint8Array[] = [];
  let [at, from, gap] = [0, 0, 0];
  for (const piece of pieces) {
    addNumber(skips, piece.at - at);
    addNumber(lengths, piece.length);
    addNumber(moves, folded(piece.from - from));
    fresh.push(bytes.subarray(at, piece.at));
    gap = addChanges(dictionary, bytes, piece, gaps, changes, gap);
    at = piece.at + piece.length;
    from = piece.from + piece.length;
  }
  fresh.push(bytes.subarray(at));
  const head = Buffer.alloc(headBytes);
  for (const [index, { length }] of columns.entries()) head.writeUInt32LE(length, 4 * index);
  return Buffer.concat([head, ...columns.map((column) => column.bytes.subarray(0, column.length)), ...fresh]);
}

/** `gap`: the bytes since the last change. Returns those since this piece's last one. */
function addChanges(
  dictionary: Uint8Array,
  bytes: Uint8Array,
  { at, from, length }: Piece,
  gaps: Column,
  changes: Column,
  gap: number,
): number {
  let since = gap;
  for (let index = 0; index < length; index++) {
    const change = (bytes[at + index]! - dictionary[from + index]!) & 0xff;
    if (change === 0) {
      since++;
      continue;
    }
    addNumber(gaps, since);
    addByte(changes, change);
    since = 0;
  }
  return since;
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

type Column = { bytes: Uint8Array; length: number };
const makeColumn = (): Column => ({ bytes: new Uint8Array(1024), length: 0 });

function addByte(to: Column, byte: number): void {
  if (to.length === to.bytes.length) {
    const longer = new Uint8Array(2 * to.length);
    longer.set(to.bytes);
    to.bytes = longer;
  }
  to.bytes[to.length++] = byte;
}

/** LEB128: seven bits a byte, the lowest first, and the top bit says that more follow. */
function addNumber(to: Column, value: number): void {
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) addByte(to, (rest & 0x7f) | 0x80);
  addByte(to, rest);
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
