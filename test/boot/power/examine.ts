// Looks at a state of a disk as a boot would: file systems are checked by their own programs, the trial record is read, and the
// updater recovers from what it finds.
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { TrialRecord } from "../../../image/boot/trial-record.ts";
import { findFatFile, listFatFolder } from "../../../image/disk/fat.ts";
import { run } from "../../../system/command.ts";
import { healthy } from "../../ota/updater/agent.ts";
import { kernelAt, maxKernelBytes } from "./loader.ts";
import type { LoggedDisk } from "./logged-disk.ts";
import type { Promises } from "./promises.ts";
import { partitionsOf } from "./promises.ts";
import { recover } from "./recover.ts";

export type Examination = { problems: string[]; recovered: { slot: string; version: string } | undefined };

/** `folder` is its own, and is emptied. */
export async function examine(disk: LoggedDisk, promises: Promises, folder: string): Promise<Examination> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const problems: string[] = [];
  // The first start lets the last partition grow.
  const { esp, data } = partitionsOf(disk) ?? promises.partitions;
  const [espFile, dataFile] = [join(folder, "esp"), join(folder, "data")];
  disk.copyTo(espFile, esp);
  disk.copyTo(dataFile, data);
  problems.push(...(await checkEsp(espFile)), ...(await checkData(dataFile)));
  await run(["debugfs", "-R", `rdump /root ${folder}`, dataFile]);
  const root = join(folder, "root");
  mkdirSync(join(root, "update"), { recursive: true });
  problems.push(...(await checkRecord(root)));
  const entries = join(folder, "entries");
  await layEntries(disk, esp.offset, promises, entries);
  const bad = promises.badVersion;
  const recovered = await recover({
    entries,
    root,
    evidenceOf: (version) => (version === bad ? undefined : healthy),
    rootHashOf: (version) => promises.rootHashes.get(version),
  }).catch((error: Error) => void problems.push(`the updater does not recover: ${error.message}`));
  if (recovered?.version === bad) problems.push(`the bad release ${bad} was kept`);
  return { problems, recovered: recovered ?? undefined };
}

/**
 * What a cut may leave of a FAT. A rename or a removal that was cut off leaves two names of one kernel, a part of a name, or a table that
 * its copy does not follow; the judge has found a whole kernel beside them. Anything else is damage.
 */
const expected = [
  /^fsck\.fat /,
  /Dirty bit is set|Automatically removing dirty bit/,
  // The dirty bit again: only the first boot sector has it.
  /differences between boot sector and its backup|This is mostly harmless|^ {2}65:01\/00$|Not automatically fixing this/,
  /Free cluster summary (wrong|uninitialized)|Auto-setting|Auto-correcting/,
  /Reclaimed \d+ unused clusters?/,
  / share clusters\.$|^ {2}Truncating (second|file) to \d+ bytes\.|^\/EFI\/Linux\/hamlet_\S+( {2}and)?$|^ {2}File size is \d+ bytes/,
  /^ {2}Contains a free cluster \(\d+\)\. Assuming EOF\.$|^Orphaned long file name part|^ {2}Auto-deleting/,
  /^FATs differ but appear to be intact|^ {2}Using first FAT/,
  /Leaving filesystem unchanged|^\s*$|: \d+ files, \d+\/\d+ clusters/,
];

async function checkEsp(path: string): Promise<string[]> {
  // It ends with 1 for the expected too.
  const text = await run(["sh", "-c", 'fsck.vfat -n "$1" 2>&1; true', "sh", path]);
  const left = text.split("\n").filter((line) => !expected.some((one) => one.test(line)));
  return left.length === 0 ? [] : [`fsck.vfat: ${left.join(" / ")}`];
}

/**
 * After its journal nothing is left to mend. Only where power tore the superblock, which the kernel refuses, more is: by the words of the
 * initrd.
 */
const mend = `
if dumpe2fs -h "$1"; then e2fsck -E journal_only -y "$1"
else for words in -y -fy; do e2fsck $words "$1" && break; done
fi >/dev/null 2>&1
e2fsck -fn "$1" 2>&1 || echo "exit code $?"`;

async function checkData(path: string): Promise<string[]> {
  const text = await run(["sh", "-c", mend, "sh", path]);
  return text.includes("exit code") ? [`e2fsck: ${text.trim().replaceAll(/\n+/g, " / ")}`] : [];
}

/** It is kept twice, and each file is whole before it has its name. */
async function checkRecord(root: string): Promise<string[]> {
  const files = (await readdir(root)).filter((name) => /^boot\.json(\.copy)?$/.test(name));
  const read = await Promise.all(
    files
      .map(async (name) => TrialRecord.safeParse(JSON.parse(await readFile(join(root, name), "utf8"))).success)
      .map((one) => one.catch(() => false)),
  );
  return read.every(Boolean) ? [] : ["the record of the trial does not read"];
}

/** EFI/Linux as files. Of a kernel only what boot control reads is there. */
async function layEntries(disk: LoggedDisk, esp: number, promises: Promises, folder: string): Promise<void> {
  mkdirSync(folder);
  for (const name of (await listFatFolder(disk.readAt, esp, "EFI/Linux")) ?? []) {
    const path = join(folder, name);
    const file = await findFatFile(disk.readAt, esp, `EFI/Linux/${name}`, maxKernelBytes);
    const kernel = await kernelAt(disk, esp, name, promises.kernels);
    writeFileSync(path, kernel?.head ?? "");
    if (file) truncateSync(path, file.sizeBytes);
  }
}
