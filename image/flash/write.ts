// Writes an image so that a card is either complete or visibly blank, even if power fails at any line. Clears the old partition
// table; writes everything except the image's two ends, flushes, and reads it back from the medium; then writes the end with the
// table's copy, the table, and last block 0, without which neither firmware nor kernel sees a partition.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { blockBytes } from "../disk/block.ts";
import type { Bmap } from "../disk/bmap.ts";
import type { BlockDevice } from "./block-device.ts";
import { damaged, MapCheck } from "./map-check.ts";
import { type Extent, Needed } from "./needed.ts";
import { alignedBuffer, type Piece, pieceBytes } from "./pieces.ts";
import { probeSize } from "./probe.ts";
import type { ImageSource } from "./source.ts";
import { verify, type Written } from "./verify.ts";

/** At each end of an image, for its partition table and the copy. */
const edgeBytes = 1 << 20;

/** What is on the card; never left at "unknown" while the card still answers. */
export type CardState =
  | { card: "untouched" }
  | { card: "blank"; writtenBytes: number; totalBytes: number }
  | { card: "unknown" }
  | { card: "complete" };

export type WriteOptions = {
  bmap?: Bmap | undefined;
  progress: Progress;
  signal?: AbortSignal;
  /** 16 bytes, different in each run. */
  nonce: Buffer;
  /** Called when all is written and verified, right before the table is written. If it throws, the card stays blank. */
  beforeTable?: (() => Promise<void>) | undefined;
  /** Called at each change of the card's state. */
  onState?: (state: CardState) => void;
};

/** Throws `flash.*` or `image.*`, and the reason of `signal`. `onState` has been called with the card's state by then. */
export async function writeImage(
  source: ImageSource,
  device: BlockDevice,
  { bmap, progress, signal, nonce, beforeTable, onState = () => {} }: WriteOptions,
): Promise<{ writtenBytes: number }> {
  const { sizeBytes } = source.image;
  const body = { offset: edgeBytes, end: sizeBytes - edgeBytes };
  const totalBytes = bmap ? bmap.ranges.reduce((sum, { length }) => sum + length, 0) : sizeBytes;
  let writtenBytes = 0;
  const blank = () => onState({ card: "blank", writtenBytes, totalBytes });

  progress.stage("clearing the old partition table");
  onState({ card: "unknown" });
  await wipeEnds(device);
  blank();
  // Its marks are in neither table; those at the ends are overwritten by the image or harmless.
  await probeSize(device, nonce);

  progress.stage("writing", totalBytes);
  const edges = [Buffer.alloc(edgeBytes), Buffer.alloc(edgeBytes)] as const;
  const written: Written[] = [];
  const zeros = alignedBuffer(pieceBytes);
  const writing = new Set<Promise<void>>();
  let failure: unknown;
  /** Starts a write; a failure is reported at the next piece. */
  const start = (
    bytes: Buffer,
    { offset, length }: Extent,
    release: () => void,
    sha256 = hash("sha256", bytes, "hex"),
  ) => {
    written.push({ offset, length, sha256 });
    writtenBytes += length;
    const task = device
      .write(bytes, offset)
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => {
        writing.delete(task);
        release();
      });
    writing.add(task);
  };
  const allWritten = async () => {
    await Promise.all(writing);
    if (failure !== undefined) throw failure;
  };

  const needed = bmap ? undefined : new Needed(source.regions);
  const mapped = bmap && new MapCheck(bmap.ranges, source.name);
  const cuts = [body.offset, body.end, ...source.regions.map(({ offset }) => offset)].toSorted((a, b) => a - b);
  try {
    const options = { cuts, ...(bmap && { only: bmap.ranges }), ...(signal && { signal }) };
    for await (const piece of source.pieces(options)) {
      signal?.throwIfAborted();
      if (failure !== undefined) break;
      const end = piece.offset + piece.bytes.length;
      const isEdge = end <= body.offset || piece.offset >= body.end;
      // Data that is read back and matches the map was right in the image too: one hash serves both, unless they differ.
      const known = source.again && !isEdge ? mapped?.trust(piece) : mapped?.saw(piece);
      const extent = needed ? needed.of(piece.offset, piece.bytes) : whole(piece);
      for (const part of extent ? zerosBefore(extent, piece.offset, body) : []) {
        start(zeros.subarray(0, part.length), part, () => {});
      }
      if (isEdge) {
        const [edge, at] = end <= body.offset ? [edges[0], piece.offset] : [edges[1], piece.offset - body.end];
        piece.bytes.copy(edge, at);
        writtenBytes += piece.bytes.length;
        piece.release();
      } else if (extent) {
        const length = extent.offset + extent.length - piece.offset;
        start(piece.bytes.subarray(0, length), { offset: piece.offset, length }, piece.release, known);
      } else piece.release();
      // Two at once keep a drive busy while the next piece is read.
      while (writing.size > 1) await Promise.race(writing);
      progress.at(bmap ? writtenBytes : end);
      blank();
    }
    await allWritten();
    mapped?.end();
    await device.flush();
    progress.stage("reading back", writtenBytes);
    await verify(device, written, progress, signal, async ({ offset, length, sha256 }) => {
      const image = mapped && (await source.again?.({ offset, length }));
      return image && hash("sha256", image, "hex") !== sha256 ? damaged(source.name, offset) : undefined;
    });
    progress.stage("writing the partition table");
    const first = alignedBuffer(edgeBytes);
    const last = alignedBuffer(edgeBytes);
    edges[0].copy(first);
    edges[1].copy(last);
    await device.write(last, body.end);
    await device.write(first.subarray(blockBytes), blockBytes);
    await device.flush();
    await beforeTable?.();
    onState({ card: "unknown" });
    await device.write(first.subarray(0, blockBytes), 0);
    await device.flush();
    await verify(device, [edge(first, 0), edge(last, body.end)], progress, undefined);
    onState({ card: "complete" });
    return { writtenBytes };
  } catch (error) {
    await Promise.allSettled(writing);
    // Whatever happened to block 0, an incomplete card must not have one.
    await wipeEnds(device).then(blank, () => {});
    throw error;
  }
}

const whole = ({ offset, bytes }: Piece): Extent => ({ offset, length: bytes.length });
const edge = (bytes: Buffer, offset: number): Written => ({
  offset,
  length: bytes.length,
  sha256: hash("sha256", bytes, "hex"),
});

/** The parts of `extent` before the piece at `to`, within the body: zeros, at most as long as a buffer. */
function* zerosBefore(extent: Extent, to: number, body: { offset: number; end: number }): Generator<Extent> {
  const end = Math.min(to, body.end);
  for (let at = Math.max(extent.offset, body.offset); at < end; at += pieceBytes) {
    yield { offset: at, length: Math.min(pieceBytes, end - at) };
  }
}

/** Clears the table before its copy. Reads it back, because a worn card keeps its old content. */
async function wipeEnds(device: BlockDevice): Promise<void> {
  const zeros = alignedBuffer(edgeBytes);
  const last = Math.floor((device.sizeBytes - edgeBytes) / blockBytes) * blockBytes;
  for (const offset of [0, last]) {
    await device.write(zeros, offset);
    await device.flush();
  }
  await device.dropCache();
  const found = alignedBuffer(edgeBytes);
  await device.read(found, 0);
  if (found.equals(zeros)) return;
  throw new HamletError("flash.verifyFailed", `${device.path} does not keep what is written to its first sectors`, {
    hint: "the card is worn out and has become read-only, or it is a counterfeit: use another one",
  });
}
