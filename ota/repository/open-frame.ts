// Opens the frame of an object. Little is imported here, because each thread of a publisher loads it.
import { hash } from "node:crypto";
import { promisify } from "node:util";
import { zstdDecompress, zstdDecompressSync } from "node:zlib";
import { HamletError } from "../../system/error.ts";

/** The content of an object. Throws `ota.damaged` unless it is what its name and length say. */
export async function openFrame(
  frame: Buffer | undefined,
  sha256: string,
  sizeBytes: number,
  name: string,
): Promise<Buffer> {
  if (!frame) throw damaged(name, "is missing");
  const content = await decompress(frame, sizeBytes).catch((cause: unknown) => {
    throw notFrame(name, cause);
  });
  return checked(content, sha256, sizeBytes, name);
}

/** The same for a thread, which has nothing else to do meanwhile. */
export function openFrameSync(frame: Buffer | undefined, sha256: string, sizeBytes: number, name: string): Buffer {
  if (!frame) throw damaged(name, "is missing");
  let content: Buffer;
  try {
    content = zstdDecompressSync(frame, decompression(sizeBytes));
  } catch (cause) {
    throw notFrame(name, cause);
  }
  return checked(content, sha256, sizeBytes, name);
}

function checked(content: Buffer, sha256: string, sizeBytes: number, name: string): Buffer {
  if (content.length !== sizeBytes || hash("sha256", content) !== sha256) throw damaged(name, "has other content");
  return content;
}

// One buffer of the right size: each smaller one is a turn of its own through Node's threads.
const decompression = (sizeBytes: number) => ({ maxOutputLength: sizeBytes, chunkSize: Math.max(64, sizeBytes) });

const decompress = (frame: Buffer, sizeBytes: number): Promise<Buffer> =>
  promisify(zstdDecompress)(frame, decompression(sizeBytes));

const notFrame = (name: string, cause: unknown): HamletError => damaged(name, "is no zstd frame of its length", cause);

export const damaged = (path: string, why: string, cause?: unknown): HamletError =>
  new HamletError("ota.damaged", `${path} ${why}`, { hint: "restore it from a copy of the repository", cause });
