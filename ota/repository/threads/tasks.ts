// What a publisher's threads do: digests and patches, which take most of its time.
// Pure.
import { hash } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import { encodePatch, maxPatchBytes } from "../../format/patch.ts";
import { digestBlocks } from "../../format/verity.ts";
import { makeAligner } from "../align.ts";

export type DigestTask = {
  kind: "digest";
  bytes: Uint8Array;
  /** Of the stretches that get a digest each, one behind the other from the beginning of `bytes`. */
  lengths: readonly number[];
  /** Where in `bytes` the blocks begin whose digests the hash tree needs. */
  blocksFrom?: number;
};
export type PatchTask = { kind: "patch"; older: Uint8Array; content: Uint8Array };
export type Task = DigestTask | PatchTask;

export type Digests = { sha256: string[]; blocks?: Uint8Array };
/** A zstd frame, or nothing if the patch is longer than a device takes. */
export type PatchFrame = Uint8Array | undefined;

/** Patches are small, so the best level costs little: 9 sends a tenth more. */
const level = 19;
const align = makeAligner();

export function digest({ bytes, lengths, blocksFrom }: DigestTask): Digests {
  const sha256: string[] = [];
  let at = 0;
  for (const length of lengths) {
    sha256.push(hash("sha256", bytes.subarray(at, at + length)));
    at += length;
  }
  return { sha256, ...(blocksFrom !== undefined && { blocks: digestBlocks(bytes.subarray(blocksFrom)) }) };
}

export function patch({ older, content }: PatchTask): PatchFrame {
  const encoded = encodePatch(older, content, align(older, content));
  if (encoded.length > maxPatchBytes(content.length)) return undefined;
  return zstdCompressSync(encoded, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: encoded.length,
  });
}
