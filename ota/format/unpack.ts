// Unpacks an object or a frame of a pack: one zstd frame whose content has the size and the digest that a signed file names.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import { readFrame } from "./frame.ts";

export type ObjectName = { sha256: string; sizeBytes: number };

/** RFC 8878 3.1.1.1.2: what every decoder should support. A larger window is only worth it for larger content. */
const usualWindowBytes = 8 << 20;

/** What a frame with `sizeBytes` of content may need if nothing in it can be compressed. */
export const maxFrameBytes = (sizeBytes: number): number => sizeBytes + (sizeBytes >> 7) + 1024;

/** What zstd takes for the head of a trained dictionary (RFC 8878 5). Ours are plain bytes. */
const dictionaryMagic = 0xec30a437;

/** `dictionary`: what the content repeats. A wrong one gives wrong bytes, which the digest tells. Throws `update.badObject`. */
export async function unpackObject(
  bytes: Buffer,
  { sha256, sizeBytes }: ObjectName,
  dictionary?: Buffer,
): Promise<Buffer> {
  const refuse = (why: string, cause?: unknown) =>
    new HamletError("update.badObject", `object ${sha256.slice(0, 12)} ${why}`, { cause });
  const frame = readFrame(bytes);
  if (!frame) throw refuse("is not a whole zstd frame");
  if (frame.endBytes !== bytes.length) throw refuse("has bytes behind its zstd frame");
  if (frame.needsDictionary) throw refuse("needs a trained dictionary");
  if (dictionary && dictionary.length >= 4 && dictionary.readUInt32LE(0) === dictionaryMagic) {
    throw refuse("has a trained dictionary");
  }
  if (frame.windowBytes > Math.max(usualWindowBytes, sizeBytes)) throw refuse("needs too much memory");
  if ((frame.contentBytes ?? sizeBytes) !== sizeBytes) throw refuse("has another size");
  // Only devices that update need the decoder.
  const { zstdDecompressSync } = await import("node:zlib");
  let content: Buffer;
  try {
    // One buffer of the right size: the default is many small ones, copied together at the end.
    const options = { maxOutputLength: sizeBytes, chunkSize: Math.max(64, sizeBytes) };
    content = zstdDecompressSync(bytes, { ...options, ...(dictionary && { dictionary }) });
  } catch (cause) {
    throw refuse("cannot be unpacked", cause);
  }
  if (content.length !== sizeBytes) throw refuse("has another size");
  if (hash("sha256", content) !== sha256) throw refuse("has another content");
  return content;
}
