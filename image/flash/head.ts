// What the beginning of an image tells: whether it is one of ours, how long it is, and where its partitions lie.

import { HamletError } from "../../system/error.ts";
import { type ImageJson, imageJsonPath, parseImageJson } from "../assemble/image-json.ts";
import { readFatFile } from "../disk/fat.ts";
import { sectorBytes } from "../disk/gpt.ts";
import type { ReadAt } from "../disk/read-at.ts";
import { readTable } from "../disk/table.ts";
import type { Region } from "./needed.ts";
import { blockBytes } from "./pieces.ts";

export type ImageHead = { image: ImageJson; regions: Region[] };

/** As far into an image as its first FAT's tables and `image.json` reach, with room to spare. */
export const headBytes = 6 << 20;

/** Throws `image.notOurs` or `image.truncated`. */
export async function readHead(readAt: ReadAt, name: string): Promise<ImageHead> {
  const partitions = await readPartitions(readAt);
  const bytes = partitions[0] && (await readFatFile(readAt, partitions[0].offset, imageJsonPath, 64 << 10));
  if (!bytes) {
    throw new HamletError("image.notOurs", `${name} is no image of ours: there is no ${imageJsonPath} in it`, {
      hint: "make one with `hamlet image build`; other systems' images are written by dd or their own tool",
    });
  }
  const image = parseImageJson(bytes, name);
  if (image.sizeBytes % blockBytes !== 0)
    throw new HamletError("image.notOurs", `${name} says it has ${image.sizeBytes} bytes: no whole number of blocks`);
  return { image, regions: regionsOf(image.layout ?? partitions, image.sizeBytes) };
}

/** In the order of the disk. Of an MBR whose logical partitions lie beyond what can be read now, as far as they are seen. */
async function readPartitions(readAt: ReadAt): Promise<Region[]> {
  return ((await readTable(readAt))?.partitions ?? [])
    .map(({ firstSector, sectors }) => ({ offset: firstSector * sectorBytes, sizeBytes: sectors * sectorBytes }))
    .toSorted((a, b) => a.offset - b.offset);
}

/** The whole disk in order: partitions and what lies between. A table that overlaps itself or fits no block gives one region. */
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
