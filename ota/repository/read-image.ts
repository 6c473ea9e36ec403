// Reads an image that `hamlet image build` made as a release: what it says of itself, and the bytes that devices get of it.
import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import { BuiltS, Version } from "../../image/bundle/version.ts";
import { openErofs, readErofsFile } from "../../image/disk/erofs.ts";
import { readerOf, readFully } from "../../image/disk/read-at.ts";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { refuseUsed } from "../../image/publish/sources.ts";
import { parseJsonBytes } from "../../system/json-file.ts";
import { clearPlaces } from "../format/places.ts";
import { findParts, refusal, type SourcePart, sliceExtents, type Verity } from "./image-parts.ts";
import { truncated } from "./source.ts";

/** Where an image has the TUF root metadata that its devices trust, and what it says of itself. */
export const releaseRootPath = "usr/lib/hamlet/release-root.json";
const releasePath = "usr/lib/hamlet/release.json";
const maxRootBytes = 256 << 10;

const ReleaseJson = z.object({ board: z.string(), version: Version, builtS: BuiltS });

export type ImageRelease = {
  path: string;
  board: string;
  version: string;
  builtS: number;
  verity: Verity;
  parts: SourcePart[];
  /** Missing if the image takes no updates. */
  releaseRoot?: Buffer;
};

/** Throws `image.notOurs`, `image.truncated`, `image.wrongSize` or `image.provisioned`. */
export async function readImage(path: string): Promise<ImageRelease> {
  const facts = await inspectImage(path);
  await refuseUsed(path, facts);
  const refuse = refusal(path);
  await using file = await open(path, "r");
  const readAt = readerOf(file);
  const { parts, verity } = await findParts(readAt, facts, path);
  const root = await openErofs(readAt, parts[0]!.extents[0]!.offset);
  const bytes = root && (await readErofsFile(readAt, root, releasePath, 64 << 10));
  const parsed = bytes && parseJsonBytes(bytes);
  const release = ReleaseJson.safeParse(parsed && "json" in parsed ? parsed.json : undefined).data;
  if (!root || !release) throw refuse(`its root filesystem has no ${releasePath}`);
  const { board, version, builtS } = facts;
  const isSame = release.board === board && release.version === version && release.builtS === builtS;
  if (!isSame)
    throw refuse(`its root filesystem is of ${release.board} ${release.version}, not of ${board} ${version}`);
  const releaseRoot = await readErofsFile(readAt, root, releaseRootPath, maxRootBytes);
  return { path, board, version, builtS, verity, parts, ...(releaseRoot && { releaseRoot }) };
}

const pieceBytes = 1 << 20;
type Readable = Pick<FileHandle, "read">;

/** The bytes of a part with zeros in its places. Throws `image.truncated`. */
export async function* readPart(file: Readable, part: SourcePart, path: string): AsyncGenerator<Buffer> {
  for (let at = 0; at < part.sizeBytes; at += pieceBytes) {
    yield await readRange(file, part, { offset: at, length: Math.min(pieceBytes, part.sizeBytes - at) }, path);
  }
}

export async function readRange(
  file: Readable,
  part: SourcePart,
  { offset, length }: { offset: number; length: number },
  path: string,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await readInto(bytes, file, part, offset, path);
  return bytes;
}

/** Fills `bytes` with what lies at `offset` of the part. */
export async function readInto(
  bytes: Buffer,
  file: Readable,
  part: SourcePart,
  offset: number,
  path: string,
): Promise<void> {
  let at = 0;
  for (const extent of sliceExtents(part.extents, offset, bytes.length)) {
    const piece = await readFully(file, bytes.subarray(at, at + extent.length), extent.offset);
    at += piece.length;
    if (piece.length < extent.length) break;
  }
  if (at < bytes.length) throw truncated(path, part.name);
  clearPlaces(bytes, offset, part.places);
}
