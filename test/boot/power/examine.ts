// Looks at a state of a disk as a boot would: file systems are checked by their own programs, the trial record is read, and the
// updater recovers from what it finds.
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { TrialRecord } from "../../../image/boot/trial-record.ts";
import { findFatFile, listFatFolder } from "../../../image/disk/fat.ts";
import { withReader } from "../../../image/disk/read-at.ts";
import { healthy } from "../../ota/updater/agent.ts";
import { chooseStart, kernelAt, maxKernelBytes } from "./loader.ts";
import type { LoggedDisk } from "./logged-disk.ts";
import { type Mirror, openMirror } from "./mirror.ts";
import { type Promises, partitionsOf, type Range } from "./promises.ts";
import { recover } from "./recover.ts";
import { openShell, type Shell } from "./shell.ts";

/** Takes what it needs of the disk as it is now; what it returns finds the problems later, beside others. */
export type Examiner = {
  take(disk: LoggedDisk, options: { isChecked: boolean }): Promise<() => Promise<string[]>>;
  close(): void;
};

/** `folder` is its own. `isChecked`: also the file systems, by their own programs. */
export function openExaminer(promises: Promises, folder: string): Examiner {
  let count = 0;
  const shells = Array.from({ length: shellsAtOnce }, openShell);
  const mirrors = new Map<string, Mirror>();
  const renewed = (disk: LoggedDisk, name: string, range: Range): string => {
    // The first start lets the last partition grow.
    const path = join(folder, `${name}-${range.length}`);
    const mirror = mirrors.get(path) ?? openMirror(disk, path, range);
    mirrors.set(path, mirror);
    mirror.renew();
    return path;
  };
  return {
    async take(disk, { isChecked }) {
      const own = join(folder, `state-${count}`);
      const shell = shells[count++ % shells.length]!;
      mkdirSync(own);
      const { esp, data } = partitionsOf(disk) ?? promises.partitions;
      const problems = isChecked ? await examineEsp(shell, renewed(disk, "esp", esp), own, promises) : [];
      await shell.run('cp --sparse=always "$1" "$2"', renewed(disk, "data", data), join(own, "data"));
      await layEntries(disk, esp.offset, promises, join(own, "entries"));
      return async () => {
        try {
          return [...problems, ...(await inspect(shell, own, promises, isChecked))];
        } finally {
          await shell.run('rm -rf "$1"', own);
        }
      };
    },
    close() {
      for (const { close } of [...mirrors.values(), ...shells]) close();
    },
  };
}

/** Programs that run beside each other. */
const shellsAtOnce = 3;

async function inspect(shell: Shell, folder: string, promises: Promises, isChecked: boolean): Promise<string[]> {
  const problems = await readData(shell, folder, isChecked);
  const root = join(folder, "root");
  mkdirSync(join(root, "update"), { recursive: true });
  problems.push(...(await checkRecord(root)));
  const bad = promises.badVersion;
  const recovered = await recover({
    entries: join(folder, "entries"),
    root,
    evidenceOf: (version) => (version === bad ? undefined : healthy),
    rootHashOf: (version) => promises.rootHashes.get(version),
  }).catch((error: Error) => void problems.push(`the updater does not recover: ${error.message}`));
  if (recovered?.version === bad) problems.push(`the bad release ${bad} was kept`);
  return problems;
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
  // Both names may have one short form, and then the repair sets the second aside.
  /Duplicate directory entry\.$|^ {2}(First|Second) +Size \d+ bytes, date|Auto-renaming second|^ {2}Renamed to FSCK\d+\.\d+$|^\/EFI\/Linux\/FSCK\d+\.\d+( {2}and)?$/,
  /^FATs differ but appear to be intact|^ {2}Using first FAT/,
  /Leaving filesystem unchanged|^\s*$|: \d+ files, \d+\/\d+ clusters/,
];

/** The dirty bit goes with the repair; the second boot sector keeps it, and is of no use to anybody. */
const repaired = expected.filter(
  (one) => !/share clusters|free cluster \\\(|FATs differ|summary|Reclaimed|Duplicate/.test(one.source),
);

async function checkEsp(shell: Shell, path: string, expected: readonly RegExp[]): Promise<string[]> {
  const text = await shell.run('fsck.vfat -n "$1"', path);
  const left = text.split("\n").filter((line) => !expected.some((one) => one.test(line)));
  return left.length === 0 ? [] : [`fsck.vfat: ${left.join(" / ")}`];
}

/**
 * After its journal nothing is left to mend. Only where power tore the superblock, which the kernel refuses, more is: by the words of the
 * initrd.
 */
const mend = `cd "$1"
if dumpe2fs -h data; then e2fsck -E journal_only -y data
else for words in -y -fy; do e2fsck $words data && break; done
fi >/dev/null 2>&1
[ "$2" = no ] || e2fsck -fn data || echo "exit code $?"
debugfs -R "rdump /root ." data >/dev/null 2>&1`;

/** Lays root's folder of `data` beside it. */
async function readData(shell: Shell, folder: string, isChecked: boolean): Promise<string[]> {
  const text = await shell.run(mend, folder, isChecked ? "check" : "no");
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

/** As it is, and as the device repairs it before it mounts it (hamlet-efi-check.service). */
async function examineEsp(shell: Shell, path: string, folder: string, { kernelSums }: Promises): Promise<string[]> {
  const copy = join(folder, "esp");
  const problems = await checkEsp(shell, path, expected);
  await shell.run('cp --sparse=always "$1" "$2" && { fsck.vfat -a "$2"; true; }', path, copy);
  problems.push(...(await checkEsp(shell, copy, repaired)));
  const choice = await withReader(copy, (readAt) =>
    chooseStart({ readAt, placesIn: () => Buffer.alloc(0) }, 0, new Map()),
  );
  const { version, kernelSha256 } = choice?.first ?? {};
  if (version === undefined) return [...problems, "the loader finds nothing to start once the partition is repaired"];
  if (kernelSums.get(version) === kernelSha256) return problems;
  return [...problems, `the kernel of ${version} is not whole once the partition is repaired`];
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
