// Makes a FAT filesystem with files by mkfs.vfat and mtools, without root or mount. The same files give the same bytes.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../system/command.ts";
import { sectorBytes } from "../disk/gpt.ts";

/** In disk order: on an empty filesystem each file is contiguous. */
export type FatFile = readonly [path: string, content: Buffer | string];
type FatVolume = {
  format: "fat16" | "fat32";
  /** Byte offset on the disk. */
  offset: number;
  sizeBytes: number;
  label: string;
  /** 8 hex digits. */
  volumeId: string;
  /** Date of everything in it, seconds since 1970. */
  epochS: number;
  files: FatFile[];
};

/** Writes the filesystem into the file `disk`, which is all zeros there; `work` is a folder for temporary files. */
export async function makeFatVolume(disk: string, volume: FatVolume, work: string, run: Run): Promise<void> {
  const { format, offset, sizeBytes, label, volumeId, epochS, files } = volume;
  // mtools and mkfs.vfat take every date from SOURCE_DATE_EPOCH.
  const env = { SOURCE_DATE_EPOCH: String(epochS), TZ: "UTC", MTOOLS_SKIP_CHECK: "1" };
  const bits = format === "fat16" ? "-F16" : "-F32";
  // Small clusters, so that there are enough: FAT32 needs more than 65,525, FAT16 more than 4,085.
  const clusterSectors = format === "fat32" && sizeBytes < 256 << 20 ? 2 : 4;
  const place = [`--offset=${offset / sectorBytes}`, disk, String(sizeBytes / 1024)];
  await run(["/sbin/mkfs.vfat", "--invariant", bits, `-s${clusterSectors}`, "-n", label, "-i", volumeId, ...place], {
    env,
  });
  const path = `${disk}@@${offset}`;
  const folders = new Set(
    files.flatMap(([name]) => {
      const words = name.split("/").slice(0, -1);
      return words.map((_, index) => words.slice(0, index + 1).join("/"));
    }),
  );
  if (folders.size > 0) await run(["mmd", "-i", path, ...[...folders].map((name) => `::${name}`)], { env });
  for (const [index, [name, content]] of files.entries()) {
    const source = join(work, `${label}-${index}`);
    await writeFile(source, content);
    await run(["mcopy", "-i", path, source, `::${name}`], { env, timeoutMs: 60_000 });
  }
}
