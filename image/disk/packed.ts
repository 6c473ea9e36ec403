// Tells a compressed file by its first bytes. People have images as they downloaded them.
// Pure.
import { HamletError } from "../../system/error.ts";
import { shellWord } from "../../system/shell-word.ts";

const formats = {
  zstd: { magic: "28b52ffd", unpack: "zstd --decompress" },
  xz: { magic: "fd377a585a00", unpack: "xz --decompress --keep" },
  gzip: { magic: "1f8b", unpack: "gunzip --keep" },
  bzip2: { magic: "425a68", unpack: "bunzip2 --keep" },
  zip: { magic: "504b0304", unpack: "unzip" },
};
export type Packing = keyof typeof formats;

export const magicBytes = 8;

/** `start`: the first `magicBytes` of the file. */
export function packingOf(start: Uint8Array): Packing | undefined {
  const hex = Buffer.from(start).toString("hex");
  return (Object.keys(formats) as Packing[]).find((name) => hex.startsWith(formats[name].magic));
}

/** For a place where an image must be unpacked. */
export const packedImage = (path: string, by: Packing): HamletError =>
  new HamletError("image.notOurs", `${path} is compressed (${by})`, {
    hint: `unpack it first: ${formats[by].unpack} ${shellWord(path)}`,
  });
