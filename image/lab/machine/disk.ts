// A virtual device's disk: what it has after the image was flashed onto it. The image itself stays as users flash it.
import { chmod, copyFile, rename, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { labBoard } from "./boards.ts";
import type { LabDevice } from "./devices.ts";
import { machineFiles } from "./machine.ts";

/** The smallest card one still buys. As on a real one there is room behind the image, for the first boot to take. */
const leastDiskBytes = 8_000_000_000;
/** QEMU takes only powers of two for an SD card. */
const cardBytes = 2 ** 33;

/** A fresh disk with `image`, and fresh firmware variables: the device as it comes out of the box. */
export async function makeDisk(run: Run, folder: string, { name, board }: LabDevice, image: string): Promise<void> {
  const files = machineFiles(name);
  const { machine } = labBoard(board);
  if (machine.kind === "pi") {
    // A file of its own, which the emulated firmware reads as QEMU does.
    const unfinished = join(folder, `${files.card}.new`);
    await run(["cp", "--reflink=auto", "--sparse=always", image, unfinished], { timeoutMs: 120_000 });
    await truncate(unfinished, Math.max(cardBytes, (await stat(image)).size));
    await rename(unfinished, join(folder, files.card));
    return;
  }
  await copyFile(machine.firmware.vars, join(folder, files.vars));
  const sizeBytes = Math.max(leastDiskBytes, (await stat(image)).size);
  const words = ["-f", "qcow2", "-F", "raw", "-b", image, files.overlay, String(sizeBytes)];
  await run(["qemu-img", "create", "-q", ...words], { cwd: folder });
}

/** A fresh disk as a saved one was, over `image` again, with the firmware variables of then. */
export async function layDisk(
  run: Run,
  folder: string,
  { name }: LabDevice,
  image: string,
  saved: string,
): Promise<void> {
  const files = machineFiles(name);
  await copyDisk(run, saved, folder, name);
  await run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", image, files.overlay], { cwd: folder });
}

/** Copies what a device's disk has over its image, and its firmware variables. Its machine must stand still. */
export async function copyDisk(run: Run, from: string, to: string, name: string): Promise<void> {
  const { overlay, vars } = machineFiles(name);
  for (const file of [overlay, vars]) {
    const words = ["--reflink=auto", "--sparse=always", join(from, file), join(to, file)];
    await run(["cp", ...words], { timeoutMs: 120_000 });
    await chmod(join(to, file), 0o600);
  }
}

/** Writes the bytes of the file `source` into the disk, at `offset`; the image beneath stays as it is. */
export async function writeToDisk(
  run: Run,
  folder: string,
  { name, board }: LabDevice,
  { source, offset, length }: { source: string; offset: number; length: number },
): Promise<void> {
  const files = machineFiles(name);
  const isCard = labBoard(board).machine.kind === "pi";
  const [format, disk] = isCard ? ["raw", files.card] : ["qcow2", files.overlay];
  await run(["qemu-io", "-f", format!, "-c", `write -q -s ${source} ${offset} ${length}`, disk!], { cwd: folder });
}
