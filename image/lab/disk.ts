// A virtual device's disk: a copy-on-write layer over the image, which stays as users flash it.
import { copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../system/command.ts";
import { firmware } from "./accelerator.ts";
import { machineFiles } from "./machine.ts";

/** The smallest card one still buys. As on a real one there is room behind the image, for the first boot to take. */
const leastDiskBytes = 8_000_000_000;

/** A fresh disk over `image` and fresh firmware variables: the device as it comes out of the box. */
export async function makeDisk(run: Run, folder: string, name: string, image: string): Promise<void> {
  const files = machineFiles(name);
  await copyFile(firmware.vars, join(folder, files.vars));
  const sizeBytes = Math.max(leastDiskBytes, (await stat(image)).size);
  const words = ["-f", "qcow2", "-F", "raw", "-b", image, files.overlay, String(sizeBytes)];
  await run(["qemu-img", "create", "-q", ...words], { cwd: folder });
}

/** Writes the bytes of the file `source` into the disk, at `offset`; the image beneath stays as it is. */
export async function writeToDisk(
  run: Run,
  folder: string,
  name: string,
  { source, offset, length }: { source: string; offset: number; length: number },
): Promise<void> {
  await run(["qemu-io", "-f", "qcow2", "-c", `write -q -s ${source} ${offset} ${length}`, machineFiles(name).overlay], {
    cwd: folder,
  });
}
