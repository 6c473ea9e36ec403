// QEMU's stream network backend: each Ethernet frame is preceded by its length, 4 bytes big-endian.

/** QEMU's stream backends pass single frames; a length near 64 KiB is an error. */
const maxFrameBytes = 65_550;
const headerBytes = 4;

export function encodeFrame(frame: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(headerBytes + frame.length);
  out.writeUInt32BE(frame.length);
  out.set(frame, headerBytes);
  return out;
}

/** Splits a byte stream into frames. Returns false if the stream is not valid; nothing after that can be trusted. */
export function frameCutter(onFrame: (frame: Buffer) => void): (chunk: Buffer) => boolean {
  let pending: Buffer = Buffer.alloc(0);
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    let at = 0;
    while (pending.length - at >= headerBytes) {
      const length = pending.readUInt32BE(at);
      if (length === 0 || length > maxFrameBytes) return false;
      if (pending.length - at < headerBytes + length) break;
      onFrame(pending.subarray(at + headerBytes, at + headerBytes + length));
      at += headerBytes + length;
    }
    pending = pending.subarray(at);
    return true;
  };
}
