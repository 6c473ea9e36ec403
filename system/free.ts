// Gives the memory of large buffers back at once. It lies outside V8's heap, so V8 would let some hundred buffers pile up before it
// collects: an update of 3,000 chunks took 70 MB more (measured).

/** The caller is the last to use `bytes`: they are empty afterwards. */
export function free(bytes: Uint8Array): void {
  // A small buffer may be a part of one that others use.
  const isWhole = bytes.byteLength > 0 && bytes.byteLength === bytes.buffer.byteLength;
  if (isWhole && bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0);
}
