// What is in an image, told from its first bytes and its EFI partition; no secret is ever read into the answer.
import { open } from "node:fs/promises";
import { headSectors, readGpt, sectorBytes } from "./gpt.ts";
import type { ImageJson } from "./image-json.ts";
import { findProvisionBlock, readProvisionBlock } from "./provision.ts";

export type ImageFacts = ImageJson & {
  partitions: { label: string; firstByte: number; sizeBytes: number; guid: string }[];
  provisionBlock: { offset: number; sizeBytes: number };
  isProvisioned: boolean;
};

/** Throws `image.notOurs` or `image.truncated`. */
export async function inspectImage(path: string): Promise<ImageFacts> {
  const { image, offset, length } = await findProvisionBlock(path);
  const block = await readProvisionBlock(path);
  const file = await open(path, "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(headSectors * sectorBytes), 0, headSectors * sectorBytes, 0);
    const partitions = (readGpt(buffer)?.partitions ?? []).map(({ label, guid, firstSector, sectors }) => ({
      label,
      firstByte: firstSector * sectorBytes,
      sizeBytes: sectors * sectorBytes,
      guid,
    }));
    const provisionBlock = { offset, sizeBytes: length };
    return { ...image, partitions, provisionBlock, isProvisioned: block.toString("latin1").trim() !== "" };
  } finally {
    await file.close();
  }
}
