// What a disk holds when its power ends: all that was flushed, and of the rest whatever happened to be written, in any order, a
// write of several sectors perhaps in part. The same seed gives the same disk.
// Pure.
import { draw, type Random, shuffled } from "../../../system/random.ts";
import type { LogEntry, Write } from "./write-log.ts";

/** Bytes at `dataAt` of the log that belong at `offset` of the disk. */
export type Piece = Pick<Write, "offset" | "length" | "dataAt">;
export type Cut = {
  /** To be written in this order. */
  pieces: Piece[];
  flushedWrites: number;
  /** Of the writes since the last flush: reached the disk whole, in part, or not at all. */
  whole: number;
  torn: number;
  lost: number;
};

const sectorBytes = 512;
const tornShare = 0.25;

/** `entries`: everything up to the cut. */
export function cutAfter(entries: readonly LogEntry[], random: Random): Cut {
  const lastFlush = entries.findLastIndex(({ kind }) => kind === "flush");
  const isWrite = (entry: LogEntry) => entry.kind === "write";
  const flushed = entries.slice(0, lastFlush + 1).filter(isWrite);
  const cut: Cut = { pieces: flushed.map(pieceOf), flushedWrites: flushed.length, whole: 0, torn: 0, lost: 0 };
  // Some disks are nearly done when the power ends, others have hardly begun.
  const share = draw(random);
  let waiting: Write[] = [];
  const writeSome = () => {
    for (const write of shuffled(random, waiting)) keepOrLose(write, share, random, cut);
    waiting = [];
  };
  for (const write of entries.slice(lastFlush + 1).filter(isWrite)) {
    if (!write.isThrough) {
      waiting.push(write);
      continue;
    }
    // What came before never lies over it.
    writeSome();
    cut.pieces.push(pieceOf(write));
    cut.whole++;
  }
  writeSome();
  return cut;
}

/** Keeps the write with a chance of `share`. */
function keepOrLose(write: Write, share: number, random: Random, cut: Cut): void {
  if (draw(random) >= share) {
    cut.lost++;
  } else if (write.length > sectorBytes && draw(random) < tornShare) {
    cut.pieces.push(...tear(write, random));
    cut.torn++;
  } else {
    cut.pieces.push(pieceOf(write));
    cut.whole++;
  }
}

/** Some of its sectors, neither none nor all. */
function tear(write: Write, random: Random): Piece[] {
  const count = write.length / sectorBytes;
  const kept = Array.from({ length: count }, () => draw(random) < 0.5);
  const [first, second] = shuffled(random, kept.keys().toArray());
  kept[first!] = true;
  kept[second!] = false;
  const pieces: Piece[] = [];
  for (const [index, isKept] of kept.entries()) {
    const at = index * sectorBytes;
    if (!isKept) continue;
    if (kept[index - 1]) pieces.at(-1)!.length += sectorBytes;
    else pieces.push({ offset: write.offset + at, length: sectorBytes, dataAt: write.dataAt + at });
  }
  return pieces;
}

const pieceOf = ({ offset, length, dataAt }: Write): Piece => ({ offset, length, dataAt });
