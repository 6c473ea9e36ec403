// The map that lies beside an image (`<image>.bmap`): which blocks a card must hold, with their hashes, in the format of
// bmaptool (version 2.0), so that either tool can use it. As with bmaptool, unmapped blocks keep their old content on the card;
// `flash/needed.ts` leaves a block unmapped only if nothing ever reads it.
// Pure.

import { createHash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import { blockBytes } from "./block.ts";

/** In bytes; `sha256` is hex, and missing for the provision block, whose content may change. */
export type MappedRange = { offset: number; length: number; sha256?: string | undefined };
export type Bmap = { imageBytes: number; ranges: MappedRange[] };

const noChecksum = "0".repeat(64);
/** 40,000 ranges: an image of 160 GB in pieces of 4 MiB. */
export const maxBmapBytes = 4 << 20;

export function bmapText({ imageBytes, ranges }: Bmap): string {
  const blocks = ranges.map(({ offset, length, sha256 }) => {
    const [first, last] = [offset / blockBytes, Math.ceil((offset + length) / blockBytes) - 1];
    return { text: first === last ? `${first}` : `${first}-${last}`, count: last - first + 1, sha256 };
  });
  const mapped = blocks.reduce((sum, { count }) => sum + count, 0);
  const text = `<?xml version="1.0" ?>
<!-- What of an image must be on the card; the rest may keep what was there. Format: bmaptool 2.0. -->
<bmap version="2.0">
  <ImageSize> ${imageBytes} </ImageSize>
  <BlockSize> ${blockBytes} </BlockSize>
  <BlocksCount> ${Math.ceil(imageBytes / blockBytes)} </BlocksCount>
  <MappedBlocksCount> ${mapped} </MappedBlocksCount>
  <ChecksumType> sha256 </ChecksumType>
  <BmapFileChecksum> ${noChecksum} </BmapFileChecksum>
  <BlockMap>
${blocks.map(({ sha256, text }) => `    <Range${sha256 ? ` chksum="${sha256}"` : ""}> ${text} </Range>`).join("\n")}
  </BlockMap>
</bmap>
`;
  return text.replace(noChecksum, checksumOf(text));
}

/** Throws `bmap.invalid` for a map that is damaged or of an unknown version. */
export function parseBmap(text: string, name: string): Bmap {
  const invalid = (why: string) =>
    new HamletError("bmap.invalid", `${name} is not a valid map: ${why}`, {
      hint: "delete it: flashing works without a map, a little slower",
    });
  if (text.length > maxBmapBytes) throw invalid(`it has more than ${maxBmapBytes} bytes`);
  const field = (tag: string): string => {
    const value = new RegExp(`<${tag}>\\s*([0-9A-Za-z]{1,64})\\s*</${tag}>`).exec(text)?.[1];
    if (value === undefined) throw invalid(`it has no ${tag}`);
    return value;
  };
  if (!/<bmap version="2\.\d+"/.test(text)) throw invalid("its version is not 2");
  if (field("ChecksumType").toLowerCase() !== "sha256") throw invalid("its hashes are not sha256");
  const checksum = field("BmapFileChecksum");
  if (!/^[0-9a-f]{64}$/.test(checksum) || checksumOf(text.replace(checksum, noChecksum)) !== checksum)
    throw invalid("its own checksum does not match");
  const [imageBytes, size] = [Number(field("ImageSize")), Number(field("BlockSize"))];
  if (!Number.isSafeInteger(imageBytes) || imageBytes <= 0 || size !== blockBytes)
    throw invalid(`it speaks of ${imageBytes} bytes in blocks of ${size}`);
  const ranges: MappedRange[] = [];
  let end = 0;
  for (const [, sha256, first = "", last = first] of text.matchAll(
    /<Range(?: chksum="([0-9a-f]{64})")?>\s*(\d{1,16})(?:-(\d{1,16}))?\s*<\/Range>/g,
  )) {
    const offset = Number(first) * blockBytes;
    const length = Math.min((Number(last) + 1) * blockBytes, imageBytes) - offset;
    if (offset < end || length <= 0) throw invalid(`range ${first}-${last} is out of order`);
    end = offset + length;
    ranges.push({ offset, length, sha256 });
  }
  const mapped = ranges.reduce((sum, { length }) => sum + Math.ceil(length / blockBytes), 0);
  if (mapped !== Number(field("MappedBlocksCount"))) throw invalid("its ranges do not add up");
  return { imageBytes, ranges };
}

/** Of the file with zeros in place of the checksum. */
const checksumOf = (text: string): string => createHash("sha256").update(text).digest("hex");
