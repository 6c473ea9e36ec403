// All of a stream that somebody else fills, up to a limit: what is longer is not read to its end.

/** Throws beyond `maxBytes`, at once where the length is said up front, and ends the stream then. */
export async function readAll(
  stream: AsyncIterable<Uint8Array> & { headers?: { "content-length"?: string | undefined }; destroy(): unknown },
  maxBytes: number,
): Promise<string> {
  const tooLong = new Error(`it is longer than ${maxBytes} bytes`);
  const claimed = Number(stream.headers?.["content-length"] ?? 0);
  if (claimed > maxBytes) {
    stream.destroy();
    throw tooLong;
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop by a throw destroys the stream.
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLong;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
