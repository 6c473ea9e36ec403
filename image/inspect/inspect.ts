// Describes an image by its partition table and FAT partitions. The answer never contains a secret.

import { open, stat } from "node:fs/promises";
import { HamletError } from "../../system/error.ts";
import { isDataAsMade } from "../assemble/data-volume.ts";
import type { ImageJson } from "../assemble/image-json.ts";
import { boardNamed, layoutOf } from "../boards.ts";
import { findProvisionBlock, readProvisionBlock } from "../card/provision.ts";
import { listFatFolder } from "../disk/fat.ts";
import { sectorBytes } from "../disk/gpt.ts";
import { readerOf } from "../disk/read-at.ts";
import { readTable } from "../disk/table.ts";

export type ImageFacts = ImageJson & {
  partitions: { label: string; number: number; firstByte: number; sizeBytes: number; id: string }[];
  provisionBlock: { offset: number; sizeBytes: number };
  /** Whether the block is filled, or `data` was used: the block is blank again after the first boot. */
  isProvisioned: boolean;
  /** Kernels that the firmware or its loader can start. */
  entries: string[];
};

/** Throws `image.notOurs` or `image.truncated`. */
export async function inspectImage(path: string): Promise<ImageFacts> {
  if ((await stat(path).catch(() => undefined))?.isDirectory()) {
    throw new HamletError("image.notOurs", `${path} is a folder, not an image`, {
      hint: "name the image file in it, or the drive whose partition it shows: hamlet image inspect <image>",
    });
  }
  const { image, offset, length } = await findProvisionBlock(path);
  const block = await readProvisionBlock(path);
  const file = await open(path, "r");
  try {
    const readAt = readerOf(file);
    const layout = layoutOf(boardNamed(image.board));
    const found = (await readTable(readAt))?.partitions ?? [];
    const partitions = found.map(({ id, number, firstSector, sectors }, index) => ({
      label: layout.partitions[index]?.label ?? String(number),
      number,
      firstByte: firstSector * sectorBytes,
      sizeBytes: sectors * sectorBytes,
      id,
    }));
    const namesIn = async (label: string, folder: string) => {
      const place = partitions.find((one) => one.label === label);
      return (place && (await listFatFolder(readAt, place.firstByte, folder))) ?? [];
    };
    const kernels =
      layout.table === "gpt"
        ? (await namesIn("esp", "EFI/Linux")).map((name) => `EFI/Linux/${name}`)
        : (await Promise.all(["boot-a", "boot-b"].map(async (label) => ({ label, names: await namesIn(label, "") }))))
            .filter(({ names }) => names.includes("kernel"))
            .map(({ label }) => `${label}/kernel`);
    const data = partitions.find(({ label }) => label === "data");
    const isUsed = data !== undefined && !(await isDataAsMade(readAt, data.firstByte, image.builtS));
    return {
      ...image,
      partitions,
      entries: kernels,
      provisionBlock: { offset, sizeBytes: length },
      isProvisioned: isUsed || block.toString("latin1").trim() !== "",
    };
  } finally {
    await file.close();
  }
}
