// Flashes an image onto the right drive, completely, and reads it back; otherwise leaves the drive visibly blank.
import { randomBytes } from "node:crypto";
import { readFile, realpath, stat } from "node:fs/promises";
import type { Run } from "../../system/command.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { readSmallFile } from "../../system/small-file.ts";
import { type Bmap, maxBmapBytes, parseBmap } from "../disk/bmap.ts";
import { openBlockDevice } from "./block-device.ts";
import { chooseDrive, type Drive, lsblkColumns, megabytes, readDrives, requireSame } from "./drives.ts";
import type { ImageSource } from "./source.ts";
import { type CardState, type WriteOptions, writeImage } from "./write.ts";

export async function listDrives(run: Run): Promise<Drive[]> {
  if (process.platform !== "linux") {
    throw new HamletError("flash.unsupported", `hamlet finds drives on Linux only; this is ${process.platform}`, {
      hint: "write the image with Raspberry Pi Imager, then `hamlet provision` the card's first volume",
    });
  }
  const lsblk = await run(["lsblk", "--json", "--bytes", "--output", lsblkColumns]);
  return readDrives(lsblk, await readFile("/proc/self/mountinfo", "utf8"));
}

/** Checks whether `path` may be written. Throws `flash.*` with exit code 2 or 3; writes nothing. */
export async function findTarget(path: string, sizeBytes: number, run: Run): Promise<Drive> {
  const facts = await stat(path).catch((cause: unknown) => {
    if (errnoOf(cause) !== "ENOENT") throw cause;
    throw new HamletError("flash.notADrive", `there is no ${path}`, {
      hint: "`hamlet flash --list` shows the drives",
      exitCode: 2,
      cause,
    });
  });
  if (facts.isFile() || facts.isDirectory()) {
    const what = facts.isFile() ? "a file" : "a folder";
    throw new HamletError("flash.notADrive", `${path} is ${what}, not a drive`, {
      hint: "use cp to copy an image into a file; a drive is a path like /dev/sdb",
      exitCode: 2,
    });
  }
  return chooseDrive(await listDrives(run), await realpath(path), sizeBytes);
}

/** The map beside the image (`x.img.bmap`, also for `x.img.zst`), if there is one for this image. Throws `bmap.invalid`. */
export async function findBmap(path: string, sizeBytes: number): Promise<{ bmap?: Bmap; ignored?: string }> {
  if (path === "-") return {};
  for (const beside of new Set([`${path}.bmap`, `${path.replace(/\.(zst|xz)$/, "")}.bmap`])) {
    const bytes = await readSmallFile(beside, maxBmapBytes);
    if (bytes === undefined) continue;
    const bmap = parseBmap(bytes.toString("utf8"), beside);
    if (bmap.imageBytes === sizeBytes) return { bmap };
    return { ignored: `${beside} belongs to an image of another size` };
  }
  return {};
}

type FlashOptions = Pick<WriteOptions, "bmap" | "beforeTable" | "progress"> & { run: Run; signal: AbortSignal };

/** `drive` is the one that the person agreed to. The message of an error says what is on the card now. */
export async function flash(
  source: ImageSource,
  drive: Drive,
  options: FlashOptions,
): Promise<{ writtenBytes: number }> {
  const { run, ...rest } = options;
  const { path } = drive;
  let state: CardState = { card: "untouched" };
  const device = await openBlockDevice(path, run);
  try {
    // Check again: another card may have taken its place since the question. Now that it is open, none can.
    const { sizeBytes } = source.image;
    requireSame(drive, chooseDrive(await listDrives(run), path, sizeBytes));
    // Trust the opened device: a reader's card may be newer than the list.
    if (device.sizeBytes < sizeBytes) {
      throw new HamletError("flash.tooSmall", `${path} has ${megabytes(device.sizeBytes)} now`, { exitCode: 3 });
    }
    const nonce = randomBytes(16);
    return await writeImage(source, device, { ...rest, nonce, onState: (now) => (state = now) });
  } catch (error) {
    throw withState(error, path, state, options.signal);
  } finally {
    await device.close().catch(() => {});
    // The kernel reads the new table when the device is closed; otherwise partprobe or replugging does it.
    await run(["/sbin/blockdev", "--rereadpt", path]).catch(() => {});
  }
}

function describeState(path: string, state: CardState): string {
  switch (state.card) {
    case "untouched":
      return `nothing was written to ${path}`;
    case "blank":
      return `${path} has no partition table now: ${megabytes(state.writtenBytes)} of ${megabytes(state.totalBytes)} were written`;
    case "unknown":
      return `what is on ${path} is unclear: do not start from it`;
    case "complete":
      return `${path} is complete`;
  }
}

function withState(error: unknown, path: string, state: CardState, signal: AbortSignal): unknown {
  const what = describeState(path, state);
  if (signal.aborted) {
    return new HamletError("flash.stopped", `stopped: ${what}`, { hint: "run the same command again", cause: error });
  }
  if (!(error instanceof HamletError)) return new HamletError("flash.deviceFailed", what, { cause: error });
  const { code, message, hint, exitCode, cause } = error;
  return new HamletError(code, `${message}; ${what}`, { hint: hint ?? "run the same command again", exitCode, cause });
}
