// Reads a stream that somebody else fills, up to a limit.

type Stream = AsyncIterable<Uint8Array> & { headers?: { "content-length"?: string | undefined } };

/** What `readAll` throws when there is more than it may read. */
export class TooLong extends Error {}

/** Throws `TooLong` beyond `maxBytes`, before the first byte if the header gives the length. The caller ends the connection. */
export const readAll = async (stream: Stream, maxBytes: number): Promise<string> =>
  (await readBytes(stream, maxBytes)).toString("utf8");

/** As `readAll`, for bytes. `release` takes the pieces, which are copied. */
export async function readBytes(
  stream: Stream,
  maxBytes: number,
  release: (piece: Uint8Array) => void = () => {},
): Promise<Buffer> {
  const tooLong = new TooLong(`it is longer than ${maxBytes} bytes`);
  if (Number(stream.headers?.["content-length"] ?? 0) > maxBytes) throw tooLong;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLong;
    chunks.push(chunk);
  }
  const all = Buffer.concat(chunks);
  chunks.forEach(release);
  return all;
}
