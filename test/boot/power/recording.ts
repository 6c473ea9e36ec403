// What a device wrote to its disk during two updates, kept beside the disk that it began with: a good release up to its commit, then
// a bad one up to its fallback. Whole devices take minutes; whoever checks states of their disk has them from here.
import { existsSync } from "node:fs";
import { copyFile, link, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { readerOf } from "../../../image/disk/read-at.ts";
import { machineFiles } from "../../../image/lab/machine/machine.ts";
import { readWriteLog } from "../../../image/lab/power/write-log.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Numbered } from "./log.ts";

export type Recording = {
  /** The disk before the first write: an image, with nothing after its end. */
  base: string;
  log: string;
  entries: Numbered[];
};

const recordingFolder = () => join(cacheFolder(), "test-recorded-update");
const filesIn = (folder: string) => ({ base: join(folder, "base.img"), log: join(folder, "writes") });

/** Keeps what `name` has written since its first start from `image`. Its machine may run on: a log is read up to its last whole entry. */
export async function keepRecording(lab: string, name: string, image: string): Promise<void> {
  const folder = recordingFolder();
  const unfinished = `${folder}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const { base, log } = filesIn(unfinished);
  // The lab never changes an image, and removes its log.
  for (const [from, to] of [[image, base] as const, [join(lab, machineFiles(name).writes), log] as const]) {
    await link(from, to).catch(() => copyFile(from, to));
  }
  await rm(folder, { recursive: true, force: true });
  await rename(unfinished, folder);
}

/** Undefined if no update was recorded on this computer: test/boot/update.test.ts does. */
export async function openRecording(folder: string = recordingFolder()): Promise<Recording | undefined> {
  const { base, log } = filesIn(folder);
  if (!existsSync(base) || !existsSync(log)) return undefined;
  await using file = await open(log, "r");
  const entries = await readWriteLog(readerOf(file), (await file.stat()).size);
  return { base, log, entries: entries.map((entry, index) => ({ ...entry, index })) };
}
