// The content of an image's root filesystem: its files; among them the bill of materials and where the device gets its updates.

import { open } from "node:fs/promises";
import { maxReleaseRootBytes, ReleaseRoot, UpdateJson, updateFiles } from "../../provisioning/file/update-source.ts";
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
  /** Missing if the image names no valid source of updates. */
  update?: { repositories: string[]; releaseRoot: ReleaseRoot };
};

/** Longer than eight URLs. */
const maxUpdateJsonBytes = 16 << 10;
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
    const update = root && (await updateIn(readAt, root));
    return await use({
      readAt,
      ...(root && { root }),
      ...(sbom && { sbom: { ...sbom, text: String(text) } }),
      ...(update && { update }),
    });
  } finally {
    await file.close();
  }
}

async function updateIn(readAt: ReadAt, root: Erofs): Promise<Contents["update"]> {
  const read = (name: string, maxBytes: number) => readErofsFile(readAt, root, `usr/lib/hamlet/${name}`, maxBytes);
  const json = await read(updateFiles.repositories, maxUpdateJsonBytes);
  const releaseRoot = await read(updateFiles.releaseRoot, maxReleaseRootBytes);
  const named = UpdateJson.safeParse(json && parseJson(json.toString("utf8"))).data;
  const trusted = ReleaseRoot.safeParse(releaseRoot && parseJson(releaseRoot.toString("utf8"))).data;
  return named && trusted && { ...named, releaseRoot: trusted };
}
