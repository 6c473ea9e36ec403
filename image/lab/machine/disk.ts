// A virtual device's disk, as if the image had been flashed onto it. The image file itself is not changed.
import { chmod, copyFile, rename, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { forgetSession, keepSession } from "../power/session.ts";
import { labBoard } from "./boards.ts";
import type { LabDevice } from "./devices.ts";
import { machineFiles } from "./machine.ts";

/** The smallest card on sale. As on a real one, the first boot grows into the space after the image. */
const leastDiskBytes = 8_000_000_000;
/** QEMU accepts only powers of two as the size of an SD card. */
const cardBytes = 2 ** 33;

/** Makes a new disk with `image` and new firmware variables. */
export async function makeDisk(run: Run, folder: string, { name, board }: LabDevice, image: string): Promise<void> {
  const files = machineFiles(name);
  const { machine } = labBoard(board);
  if (machine.kind === "pi") {
    // A plain file instead of an overlay, because the emulated firmware reads it too.
    const unfinished = join(folder, `${files.card}.new`);
    await run(["cp", "--reflink=auto", "--sparse=always", image, unfinished], { timeoutMs: 120_000 });
    await truncate(unfinished, Math.max(cardBytes, (await stat(image)).size));
    await rename(unfinished, join(folder, files.card));
    return;
  }
  await forgetSession(folder, name);
  await copyFile(machine.firmware.vars, join(folder, files.vars));
  const sizeBytes = Math.max(leastDiskBytes, (await stat(image)).size);
  const words = ["-f", "qcow2", "-F", "raw", "-b", image, files.overlay, String(sizeBytes)];
  await run(["qemu-img", "create", "-q", ...words], { cwd: folder });
}

/** Restores a saved disk over `image`, with its firmware variables. */
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
  await keepSession(run, folder, name);
}

/** Gives `to` the disk of `from` that was saved in the folder `saved`, with what its session wrote, and its firmware variables. */
export async function cloneDisk(run: Run, saved: string, from: string, folder: string, to: string): Promise<void> {
  await keepSession(run, saved, from);
  await forgetSession(folder, to);
  const [source, target] = [machineFiles(from), machineFiles(to)];
  for (const kind of ["overlay", "vars"] as const) {
    const words = ["--reflink=auto", "--sparse=always", join(saved, source[kind]), join(folder, target[kind])];
    await run(["cp", ...words], { timeoutMs: 120_000 });
  }
}

/** Saves a disk's differences from its image, with those of the session, and the firmware variables. The machine must be paused. */
export async function copyDisk(run: Run, from: string, to: string, name: string): Promise<void> {
  const { overlay, session, vars } = machineFiles(name);
  for (const file of [overlay, session, vars]) {
    const words = ["--reflink=auto", "--sparse=always", join(from, file), join(to, file)];
    await run(["cp", ...words], { timeoutMs: 120_000 });
    await chmod(join(to, file), 0o600);
  }
}

/** Writes the file `source` to the disk at `offset`; the image beneath does not change. */
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
