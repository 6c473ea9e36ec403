// Copies files that are mostly zeros, such as images, without writing the zeros, so that they take no space.
import { type FileHandle, open } from "node:fs/promises";

/** A run of zeros of this length stays a hole. */
const pieceBytes = 1 << 20;

/** Copies the file `source` to `offset` of `target`, which is all zeros there; returns its length. */
export async function copyWithHoles(
  source: string,
  target: FileHandle,
  offset = 0,
  onProgress: (doneBytes: number) => void = () => {},
): Promise<number> {
  await using from = await open(source, "r");
  const buffer = Buffer.allocUnsafeSlow(pieceBytes);
  for (let at = 0; ; ) {
    const { bytesRead } = await from.read(buffer, 0, pieceBytes, at);
    if (bytesRead === 0) return at;
    const piece = buffer.subarray(0, bytesRead);
    if (!isZero(piece)) await target.write(piece, 0, bytesRead, offset + at);
    at += bytesRead;
    onProgress(at);
  }
}

const zeros = Buffer.alloc(64 << 10);

export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const part = bytes.subarray(at, at + zeros.length);
    if (!part.equals(part.length === zeros.length ? zeros : zeros.subarray(0, part.length))) return false;
  }
  return true;
}
