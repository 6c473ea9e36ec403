// Unpacks an object or a frame of a pack: one zstd frame whose content has the size and the digest that a signed file names.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import { readFrame } from "./frame.ts";
import { applyPatch, maxPatchBytes } from "./patch.ts";

export type ObjectName = { sha256: string; sizeBytes: number };

/** RFC 8878 3.1.1.1.2: what every decoder should support. A larger window is only worth it for larger content. */
const usualWindowBytes = 8 << 20;

/** What a frame with `sizeBytes` of content may need if nothing in it can be compressed. */
export const maxFrameBytes = (sizeBytes: number): number => sizeBytes + (sizeBytes >> 7) + 1024;

/** Throws `update.badObject`. */
export async function unpackObject(bytes: Buffer, name: ObjectName): Promise<Buffer> {
  return checked(await unpackFrame(bytes, name, { least: name.sizeBytes, most: name.sizeBytes }), name);
}

/** The content that a frame's patch makes of `dictionary`. A wrong one gives wrong bytes, which the digest tells. Throws `update.badObject`. */
export async function unpackPatch(bytes: Buffer, name: ObjectName, dictionary: Buffer): Promise<Buffer> {
  const patch = await unpackFrame(bytes, name, { least: 0, most: maxPatchBytes(name.sizeBytes) });
  return checked(applyPatch(patch, dictionary, name.sizeBytes), name);
}

const refusal =
  ({ sha256 }: ObjectName) =>
  (why: string, cause?: unknown) =>
    new HamletError("update.badObject", `object ${sha256.slice(0, 12)} ${why}`, { cause });

async function unpackFrame(
  bytes: Buffer,
  name: ObjectName,
  { least, most }: { least: number; most: number },
): Promise<Buffer> {
  const refuse = refusal(name);
  const frame = readFrame(bytes);
  if (!frame) throw refuse("is not a whole zstd frame");
  if (frame.endBytes !== bytes.length) throw refuse("has bytes behind its zstd frame");
  if (frame.needsDictionary) throw refuse("needs a zstd dictionary");
  if (frame.windowBytes > Math.max(usualWindowBytes, most)) throw refuse("needs too much memory");
  const sizeBytes = frame.contentBytes ?? most;
  if (sizeBytes < least || sizeBytes > most) throw refuse("has another size");
  // Only devices that update need the decoder.
  const { zstdDecompressSync } = await import("node:zlib");
  let content: Buffer;
  try {
    // One buffer of the right size: the default is many small ones, copied together at the end.
    content = zstdDecompressSync(bytes, {
      maxOutputLength: Math.max(1, sizeBytes),
      chunkSize: Math.max(64, sizeBytes),
    });
  } catch (cause) {
    throw refuse("cannot be unpacked", cause);
  }
  if (content.length < least || content.length > most) throw refuse("has another size");
  return content;
}

function checked(content: Buffer, name: ObjectName): Buffer {
  if (hash("sha256", content) !== name.sha256) throw refusal(name)("has another content");
  return content;
}
