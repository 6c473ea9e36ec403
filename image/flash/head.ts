// Reads the beginning of an image: whether it is a Hamlet image, its length, and its partitions.

import { HamletError } from "../../system/error.ts";
import { type ImageJson, imageJsonPath, parseImageJson } from "../assemble/image-json.ts";
import { blockBytes } from "../disk/block.ts";
import { readFatFile } from "../disk/fat.ts";
import { sectorBytes } from "../disk/gpt.ts";
import { magicBytes, packedImage, packingOf } from "../disk/packed.ts";
import type { ReadAt } from "../disk/read-at.ts";
import { readTable } from "../disk/table.ts";
import type { Region } from "./needed.ts";

export type ImageHead = { image: ImageJson; regions: Region[] };

/** Enough for the first FAT's tables and `image.json`, with a reserve. */
export const headBytes = 6 << 20;

/** Throws `image.notOurs` or `image.truncated`. */
export async function readHead(readAt: ReadAt, name: string): Promise<ImageHead> {
  const partitions = await readPartitions(readAt);
  const bytes = partitions[0] && (await readFatFile(readAt, partitions[0].offset, imageJsonPath, 64 << 10));
  if (!bytes) {
    const by = packingOf(await readAt(0, magicBytes));
    if (by) throw packedImage(name, by);
    throw new HamletError("image.notOurs", `${name} is not a Hamlet image: it has no ${imageJsonPath}`, {
      hint: "make one with `hamlet image build`; other systems' images are written by dd or their own tool",
    });
  }
  const image = parseImageJson(bytes, name);
  if (image.sizeBytes % blockBytes !== 0)
    throw new HamletError(
      "image.notOurs",
      `${name} claims ${image.sizeBytes} bytes, which is not a whole number of blocks`,
    );
  return { image, regions: regionsOf(image.layout ?? partitions, image.sizeBytes) };
}

/** In disk order. Of logical partitions in an MBR, those that can be read so far. */
async function readPartitions(readAt: ReadAt): Promise<Region[]> {
  return ((await readTable(readAt))?.partitions ?? [])
    .map(({ firstSector, sectors }) => ({ offset: firstSector * sectorBytes, sizeBytes: sectors * sectorBytes }))
    .toSorted((a, b) => a.offset - b.offset);
}

/** The whole disk in order: partitions and the gaps between. A table with overlaps or unaligned partitions gives one region. */
export function regionsOf(partitions: readonly Region[], sizeBytes: number): Region[] {
  const regions: Region[] = [];
  let at = 0;
  for (const { offset, sizeBytes: length } of partitions.toSorted((a, b) => a.offset - b.offset)) {
    const fits = offset % blockBytes === 0 && length % blockBytes === 0;
    if (!fits || offset < at || offset + length > sizeBytes) return [{ offset: 0, sizeBytes }];
    if (offset > at) regions.push({ offset: at, sizeBytes: offset - at });
    if (length > 0) regions.push({ offset, sizeBytes: length });
    at = offset + length;
  }
  if (at < sizeBytes) regions.push({ offset: at, sizeBytes: sizeBytes - at });
  return regions;
}
