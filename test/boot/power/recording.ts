// What a device wrote to its disk during two updates, kept beside the disk that it began with: a good release up to its commit, then
// a bad one up to its fallback. Whole devices take minutes; whoever checks states of their disk has them from here.
import { existsSync } from "node:fs";
import { copyFile, cp, link, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { readerOf } from "../../../image/disk/read-at.ts";
import { machineFiles } from "../../../image/lab/machine/machine.ts";
import { readWriteLog } from "../../../image/lab/power/write-log.ts";
import { run } from "../../../system/command.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Numbered } from "./log.ts";

export type Recording = {
  /** The disk before the first write. */
  base: string;
  log: string;
  entries: Numbered[];
  around: Around;
};
/** What the device needs to go on: folders of the one member that it knows, and of the publisher of its releases. */
export type Around = { peer: string; publisher: string };

const recordingFolder = () => join(cacheFolder(), "test-recorded-update");
const filesIn = (folder: string) => ({ base: join(folder, "base.img"), log: join(folder, "writes") });
const aroundIn = (folder: string): Around => ({ peer: join(folder, "peer"), publisher: join(folder, "ota") });

/** Keeps what `name` has written since it got power. Its machine may run on: a log is read up to its last whole entry. */
export async function keepRecording(lab: string, name: string, { peer, publisher }: Around): Promise<void> {
  const folder = recordingFolder();
  const unfinished = `${folder}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const { base, log } = filesIn(unfinished);
  const { overlay, writes } = machineFiles(name);
  // Whatever it writes goes into a file over this one.
  await run(["qemu-img", "convert", "-q", "-U", "-O", "raw", join(lab, overlay), base], { timeoutMs: 120_000 });
  // The lab removes its log.
  await link(join(lab, writes), log).catch(() => copyFile(join(lab, writes), log));
  const around = aroundIn(unfinished);
  await cp(peer, around.peer, { recursive: true });
  await cp(publisher, around.publisher, { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await rename(unfinished, folder);
}

/** Undefined if no update was recorded on this computer: test/boot/update.test.ts does. */
export async function openRecording(folder: string = recordingFolder()): Promise<Recording | undefined> {
  const { base, log } = filesIn(folder);
  if (!existsSync(base) || !existsSync(log)) return undefined;
  await using file = await open(log, "r");
  const entries = await readWriteLog(readerOf(file), (await file.stat()).size);
  return { base, log, entries: entries.map((entry, index) => ({ ...entry, index })), around: aroundIn(folder) };
}
