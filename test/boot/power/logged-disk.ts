// A disk that is nowhere: each sector is read from the disk that a log began with, or from the log. Nothing is copied, so a thousand
// states of a disk of 8 GB take no room and hardly any time.
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { ReadAt } from "../../../image/disk/read-at.ts";
import type { Piece } from "../../../image/lab/power/cut.ts";

export const sectorBytes = 512;

export type LoggedDisk = {
  read(offset: number, length: number): Buffer;
  readAt: ReadAt;
  put(pieces: readonly Piece[]): void;
  /** With `pieces` over it while `use` runs. */
  with<T>(pieces: readonly Piece[], use: () => Promise<T>): Promise<T>;
  /** Where the log has a sector; 0: it was never written. */
  placeOf(sector: number): number;
  /** The places of a range: they name its content. */
  placesIn(offset: number, length: number): Buffer;
  /** Writes a range to a new file; what holds zeros stays a hole. */
  copyTo(path: string, range: { offset: number; length: number }): void;
  onChange(listener: (offset: number, length: number) => void): void;
  close(): void;
};

/** At once. */
const copiedBytes = 64 << 10;
const zeros = Buffer.alloc(copiedBytes);
/** More than any disk of the lab. */
const mostBytes = 16 * 2 ** 30;

export function openLoggedDisk(base: string, log: string): LoggedDisk {
  const [baseFile, logFile] = [openSync(base, "r"), openSync(log, "r")];
  // The first sector of a log holds no data, so 0 is free.
  const places = new Uint32Array(mostBytes / sectorBytes);
  const listeners: ((offset: number, length: number) => void)[] = [];

  function put({ offset, length, dataAt }: Piece): void {
    const first = offset / sectorBytes;
    for (let index = 0; index < length / sectorBytes; index++) places[first + index] = dataAt / sectorBytes + index;
    for (const listener of listeners) listener(offset, length);
  }

  function read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const sector = Math.floor(at / sectorBytes);
      const place = places[sector]!;
      let next = sector + 1;
      while (next * sectorBytes < end && places[next] === (place === 0 ? 0 : place + next - sector)) next++;
      const stop = Math.min(end, next * sectorBytes);
      const from = place === 0 ? at : place * sectorBytes + at - sector * sectorBytes;
      // Beyond the end of the file are zeros.
      readSync(place === 0 ? baseFile : logFile, bytes, at - offset, stop - at, from);
      at = stop;
    }
    return bytes;
  }

  /** Pieces of the first disk that hold nothing. */
  const empty = new Set<number>();
  const baseBytes = fstatSync(baseFile).size;
  const isUnwritten = (offset: number, length: number) => {
    for (let at = offset / sectorBytes; at < (offset + length) / sectorBytes; at++) if (places[at] !== 0) return false;
    return true;
  };

  const isPlace = (offset: number, length: number) => offset >= 0 && length > 0 && offset + length <= mostBytes;
  return {
    read,
    readAt: async (offset, length) => (isPlace(offset, length) ? read(offset, length) : Buffer.alloc(0)),
    put: (pieces) => pieces.forEach(put),
    async with(pieces, use) {
      const before = pieces.map((piece) => {
        const first = piece.offset / sectorBytes;
        const saved = places.slice(first, first + piece.length / sectorBytes);
        put(piece);
        return { piece, first, saved };
      });
      try {
        return await use();
      } finally {
        for (const { piece, first, saved } of before.reverse()) {
          places.set(saved, first);
          for (const listener of listeners) listener(piece.offset, piece.length);
        }
      }
    },
    placeOf: (sector) => places[sector]!,
    placesIn: (offset, length) => {
      const [first, end] = [Math.floor(offset / sectorBytes), Math.ceil((offset + length) / sectorBytes)];
      return Buffer.from(places.buffer, first * 4, (end - first) * 4);
    },
    copyTo(path, { offset, length }) {
      const file = openSync(path, "w");
      ftruncateSync(file, length);
      for (let at = 0; at < length; at += copiedBytes) {
        const wanted = Math.min(copiedBytes, length - at);
        const isOld = isUnwritten(offset + at, wanted);
        if (isOld && (offset + at >= baseBytes || empty.has(offset + at))) continue;
        const bytes = read(offset + at, wanted);
        if (!zeros.subarray(0, wanted).equals(bytes)) writeSync(file, bytes, 0, wanted, at);
        else if (isOld) empty.add(offset + at);
      }
      closeSync(file);
    },
    onChange: (listener) => void listeners.push(listener),
    close() {
      closeSync(baseFile);
      closeSync(logFile);
    },
  };
}
