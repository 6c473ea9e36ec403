// The content of an image's root filesystem: its files, and the bill of materials among them.

import { open } from "node:fs/promises";
import { parseJson } from "../../system/files.ts";
import { Sbom, sbomPath } from "../bundle/sbom/sbom.ts";
import { type Erofs, openErofs, readErofsFile } from "../disk/erofs.ts";
import { type ReadAt, readerOf } from "../disk/read-at.ts";

type Partition = { label: string; firstByte: number; sizeBytes: number };
export type Contents = {
  readAt: ReadAt;
  /** Missing if slot a holds no erofs. */
  root?: Erofs;
  /** Missing if the image has no valid one. */
  sbom?: Sbom & { text: string };
};

/** A bill of 300 components has 0.2 MiB. */
const maxSbomBytes = 8 << 20;

/** Opens the image while `use` runs. */
export async function withContents<T>(
  path: string,
  partitions: Partition[],
  use: (contents: Contents) => Promise<T>,
): Promise<T> {
  const file = await open(path, "r");
  try {
    const readAt = readerOf(file);
    const slot = partitions.find(({ label }) => label === "root-a");
    const root = slot && (await openErofs(readAt, slot.firstByte));
    const text = root && (await readErofsFile(readAt, root, sbomPath, maxSbomBytes));
    const sbom = Sbom.safeParse(text && parseJson(text.toString("utf8"))).data;
    return await use({ readAt, ...(root && { root }), ...(sbom && { sbom: { ...sbom, text: String(text) } }) });
  } finally {
    await file.close();
  }
}
