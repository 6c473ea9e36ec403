// Where bytes of a release lie, for threads that read them themselves: bytes that are sent to a thread are copied twice on the way.
import { readFileSync, readSync } from "node:fs";
import { errnoOf, HamletError } from "../../system/error.ts";
import type { Place } from "../format/manifest.ts";
import { clearPlaces } from "../format/places.ts";
import { openFrame } from "./open-frame.ts";

/** Some bytes of a part. Plain data, so that it can be sent. */
export type Source = {
  offset: number;
  length: number;
} /** An open image, and where in it they lie. `offset` is that in the part, which the places count from. */ & (
  | { kind: "image"; path: string; descriptor: number; part: string; places: Place[]; extents: Extents }
  /** Objects of the repository that hold the range, one behind the other. `offset` counts from the first one's beginning. */
  | { kind: "objects"; objects: { path: string; sha256: string; length: number }[] }
);

type From<K extends Source["kind"]> = Extract<Source, { kind: K }>;
type Extents = { offset: number; length: number }[];

/** Reads a source. What it returned before is overwritten. Throws `image.truncated` and `ota.damaged`. */
export type Read = (source: Source) => Promise<Buffer>;

/** One that keeps its buffer: fresh memory for each would cost more than reading into it. */
export function makeReader(): Read {
  let buffer = Buffer.alloc(0);
  return async (source) => {
    if (buffer.length < source.length) buffer = Buffer.alloc(source.length);
    const bytes = buffer.subarray(0, source.length);
    if (source.kind === "image") readImage(bytes, source);
    else await readObjects(bytes, source);
    return bytes;
  };
}

function readImage(bytes: Buffer, { path, descriptor, part, places, extents, offset }: From<"image">): void {
  let at = 0;
  for (const extent of extents) {
    for (let done = 0; done < extent.length; ) {
      const count = readSync(descriptor, bytes, at, extent.length - done, extent.offset + done);
      if (count === 0) throw truncated(path, part);
      done += count;
      at += count;
    }
  }
  if (at < bytes.length) throw truncated(path, part);
  clearPlaces(bytes, offset, places);
}

async function readObjects(bytes: Buffer, { objects, offset }: From<"objects">): Promise<void> {
  let at = -offset;
  for (const { path, sha256, length } of objects) {
    const content = await openFrame(readFileIfThere(path), sha256, length, path);
    bytes.set(content.subarray(Math.max(0, -at), Math.max(0, bytes.length - at)), Math.max(0, at));
    at += length;
  }
}

function readFileIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

export const truncated = (path: string, part: string): HamletError =>
  new HamletError("image.truncated", `${path} ends within its part ${part}`, { hint: "copy or build the image again" });
