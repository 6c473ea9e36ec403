// Finds out whether a device runs from a USB stick and has an internal disk. Reads /sys only, so that the agent can ask too.
import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, join } from "node:path";

export type InternalDisk = {
  path: string;
  sizeBytes: number;
  /** Its maker's name for it. */
  model: string;
  /** Number of partitions, which would be lost. */
  partitions: number;
};

/**
 * The first internal disk that could take this system, if it runs from USB. `links` is the initrd's folder, `sys` is /sys.
 * Imports little, because the agent's memory is small.
 */
export async function internalDisk(links: string, sys: string): Promise<InternalDisk | undefined> {
  const blocks = join(sys, "block");
  const own = await readlink(join(links, "disk")).then(basename, () => undefined);
  // `hamlet install` is for UEFI boards.
  const isUefi = (await readdir(join(sys, "firmware/efi")).catch(() => undefined)) !== undefined;
  if (own === undefined || !isUefi || !(await isUsb(join(blocks, own)))) return undefined;
  const neededBytes = await systemBytes(join(blocks, own));
  const names = (await readdir(blocks).catch((): string[] => [])).sort();
  for (const name of names) {
    const folder = join(blocks, name);
    if (name === own || !/^(nvme\d+n\d+|sd[a-z]+|mmcblk\d+|vd[a-z]+)$/.test(name)) continue;
    const [size, isRemovable, isReadOnly] = await Promise.all([
      number(join(folder, "size")),
      number(join(folder, "removable")),
      number(join(folder, "ro")),
    ]);
    if (isRemovable || isReadOnly || size * 512 < neededBytes || (await isUsb(folder))) continue;
    const model = (await readFile(join(folder, "device/model"), "utf8").catch(() => "")).trim();
    return { path: `/dev/${name}`, sizeBytes: size * 512, model, partitions: (await partitionsOf(folder)).length };
  }
  return undefined;
}

/** Up to the start of the last partition, which grows and has little in it. */
async function systemBytes(folder: string): Promise<number> {
  const starts = await Promise.all((await partitionsOf(folder)).map((name) => number(join(folder, name, "start"))));
  return (Math.max(0, ...starts) + 64 * 2048) * 512;
}

const partitionsOf = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.startsWith(basename(folder)));

/** The path in /sys shows the bus of a disk. */
const isUsb = (folder: string): Promise<boolean> =>
  realpath(folder).then(
    (path) => /\/usb\d+\//.test(path),
    () => false,
  );

const number = (path: string): Promise<number> => readFile(path, "utf8").then(Number, () => 0);
