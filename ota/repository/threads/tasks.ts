// What a publisher's threads do: digests and patches, which take most of its time.
import { hash } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import { encodePatch, maxPatchBytes } from "../../format/patch.ts";
import { unpackPatch } from "../../format/unpack.ts";
import { digestBlocks } from "../../format/verity.ts";
import { makeAligner } from "../align.ts";
import { makeReader, type Source } from "../source.ts";

/** The digests that the hash tree needs of `blocks`. */
export type DigestBlocksTask = { kind: "digestBlocks"; blocks: Uint8Array };
export type DigestTask = { kind: "digest"; source: Source };
export type PatchTask = { kind: "patch"; older: Source; content: Source };
export type Task = DigestBlocksTask | DigestTask | PatchTask;

/** A zstd frame and the digest of the content, or nothing if the patch is longer than a device takes. */
export type PatchFrame = { frame: Uint8Array; sha256: string } | undefined;

/** Patches are small, so the best level costs little: 9 sends a tenth more. */
const level = 19;
const align = makeAligner();
const [readOlder, readContent] = [makeReader(), makeReader()];

export async function perform(task: Task): Promise<Uint8Array | string | PatchFrame> {
  switch (task.kind) {
    case "digestBlocks":
      return digestBlocks(task.blocks);
    case "digest":
      return hash("sha256", await readContent(task.source));
    case "patch":
      return await patch(task);
  }
}

async function patch(task: PatchTask): Promise<PatchFrame> {
  const [older, content] = [await readOlder(task.older), await readContent(task.content)];
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
