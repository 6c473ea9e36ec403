// The sha256 of a file or of what streams by, with its size.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

export type Digest = { sizeBytes: number; sha256: string };
export type DigestOptions = {
  signal?: AbortSignal | undefined;
  /** Called with the bytes read so far. */
  onBytes?: ((bytes: number) => void) | undefined;
};

/** Throws the system's error, or the signal's reason. */
export const digestFile = (path: string, options?: DigestOptions): Promise<Digest> =>
  digestOf(createReadStream(path, { highWaterMark: 1 << 20 }), options);

export async function digestOf(
  chunks: AsyncIterable<Uint8Array>,
  { signal, onBytes }: DigestOptions = {},
): Promise<Digest> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.length;
    onBytes?.(sizeBytes);
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}
