// What a publisher's threads do: digests and patches, which take most of its time.
import { hash } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import { encodePatch, maxPatchBytes } from "../../format/patch.ts";
import { unpackPatch } from "../../format/unpack.ts";
import { digestBlocks } from "../../format/verity.ts";
import { makeAligner } from "../align.ts";
import { makeReader, type Source } from "../source.ts";

export type DigestTask = {
  kind: "digest";
  bytes: Uint8Array;
  /** Of the stretches that get a digest each, one behind the other from the beginning of `bytes`. */
  lengths: readonly number[];
  /** Where in `bytes` the blocks begin whose digests the hash tree needs. */
  blocksFrom?: number;
};
export type DigestOfTask = { kind: "digestOf"; source: Source };
export type PatchTask = { kind: "patch"; older: Source; content: Source };
export type Task = DigestTask | DigestOfTask | PatchTask;

export type Digests = { sha256: string[]; blocks?: Uint8Array };
/** A zstd frame and the digest of the content, or nothing if the patch is longer than a device takes. */
export type PatchFrame = { frame: Uint8Array; sha256: string } | undefined;

/** Patches are small, so the best level costs little: 9 sends a tenth more. */
const level = 19;
const align = makeAligner();
const [readOlder, readContent] = [makeReader(), makeReader()];

export function digest({ bytes, lengths, blocksFrom }: DigestTask): Digests {
  const sha256: string[] = [];
  let at = 0;
  for (const length of lengths) {
    sha256.push(hash("sha256", bytes.subarray(at, at + length)));
    at += length;
  }
  return { sha256, ...(blocksFrom !== undefined && { blocks: digestBlocks(bytes.subarray(blocksFrom)) }) };
}

export const digestOf = ({ source }: DigestOfTask): string => hash("sha256", readContent(source));

export async function patch(task: PatchTask): Promise<PatchFrame> {
  const [older, content] = [readOlder(task.older), readContent(task.content)];
  const encoded = encodePatch(older, content, align(older, content));
  if (encoded.length > maxPatchBytes(content.length)) return undefined;
  const frame = zstdCompressSync(encoded, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: encoded.length,
  });
  const sha256 = hash("sha256", content);
  // What a device could not unpack must not be published.
  await unpackPatch(frame, { sha256, sizeBytes: content.length }, older);
  return { frame, sha256 };
}
