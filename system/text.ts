// Decodes a file that a person wrote: editors add byte order marks, and some save UTF-16.
// Pure.

export type Decoded = { text: string; hasMark: boolean } | { trouble: string };

/** `text` is without its byte order mark. `trouble` completes a sentence that begins with the file: "is UTF-16 text". */
export function decodeText(bytes: Uint8Array): Decoded {
  if (bytes.length > 0 && bytes.every((byte) => byte === 0)) return { trouble: "contains only zero bytes" };
  const wide = utf16Of(bytes);
  if (wide) return { trouble: `is ${wide} text, not UTF-8: save it as UTF-8` };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const hasMark = text.startsWith("\ufeff");
    return { text: hasMark ? text.slice(1) : text, hasMark };
  } catch {
    const good = goodUtf8(bytes);
    const place = placeOf(good, good.length);
    const code = bytes[Buffer.byteLength(good)] ?? 0;
    return {
      trouble: `is not UTF-8 text: ${place} has the byte 0x${code.toString(16).padStart(2, "0")}: save it as UTF-8`,
    };
  }
}

/** `line 3, column 1` of the character at `offset`; columns count characters as people see them. */
export function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return `line ${before.length}, column ${[...(before.at(-1) ?? "")].length + 1}`;
}

/** Detected by its byte order mark, or by the zero bytes of Latin letters. */
function utf16Of(bytes: Uint8Array): string | undefined {
  const [a, b, c, d] = bytes;
  if ((a === 0xff && b === 0xfe) || (a && b === 0 && c && d === 0)) return "UTF-16LE";
  if ((a === 0xfe && b === 0xff) || (a === 0 && b && c === 0 && d)) return "UTF-16BE";
  return undefined;
}

/** The longest prefix that is UTF-8. */
function goodUtf8(bytes: Uint8Array): string {
  let [good, bad] = [0, bytes.length];
  const decode = (length: number) =>
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length), { stream: true });
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    try {
      decode(middle);
      good = middle;
    } catch {
      bad = middle;
    }
  }
  return decode(good);
}
