// What is in an image, told from its first bytes and its EFI partition; no secret is ever read into the answer.
import { open } from "node:fs/promises";
import { listFatFolder } from "./fat.ts";
import { espType, headSectors, readGpt, sectorBytes } from "./gpt.ts";
import type { ImageJson } from "./image-json.ts";
import { findProvisionBlock, readProvisionBlock } from "./provision.ts";

export type ImageFacts = ImageJson & {
  partitions: { label: string; firstByte: number; sizeBytes: number; guid: string }[];
  provisionBlock: { offset: number; sizeBytes: number };
  isProvisioned: boolean;
  /** Kernels that the boot loader offers. */
  entries: string[];
};

/** Throws `image.notOurs` or `image.truncated`. */
export async function inspectImage(path: string): Promise<ImageFacts> {
  const { image, offset, length } = await findProvisionBlock(path);
  const block = await readProvisionBlock(path);
  const file = await open(path, "r");
  try {
    const readAt = async (at: number, bytes: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
      return buffer.subarray(0, bytesRead);
    };
    const found = readGpt(await readAt(0, headSectors * sectorBytes))?.partitions ?? [];
    const esp = found.find(({ type }) => type === espType);
    const partitions = found.map(({ label, guid, firstSector, sectors }) => ({
      label,
      firstByte: firstSector * sectorBytes,
      sizeBytes: sectors * sectorBytes,
      guid,
    }));
    const entries = esp ? await listFatFolder(readAt, esp.firstSector * sectorBytes, "EFI/Linux") : [];
    return {
      ...image,
      partitions,
      entries: (entries ?? []).map((name) => `EFI/Linux/${name}`),
      provisionBlock: { offset, sizeBytes: length },
      isProvisioned: block.toString("latin1").trim() !== "",
    };
  } finally {
    await file.close();
  }
}
