// What a rename that power cut off leaves of a FAT: two names of one kernel. The EFI partition is repaired before it is mounted, or
// removing one name would free the blocks of the other.
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BootState } from "../../../../image/boot/boot-control.ts";
import { entryFolderAt } from "../../../../image/boot/systemd-boot/entry-folder.ts";
import { systemdBoot } from "../../../../image/boot/systemd-boot/systemd-boot.ts";
import type { TrialRecord } from "../../../../image/boot/trial-record.ts";
import { findFatFile } from "../../../../image/disk/fat.ts";
import { withReader } from "../../../../image/disk/read-at.ts";
import { lacks } from "../../../lacks.ts";
import { makeKernel } from "./bench.ts";

const unit = readFileSync("image/bundle/root/usr/lib/systemd/system/hamlet-efi-check.service", "utf8");
const [, words = ""] = /^ExecStart=-(.*) \/run\/hamlet-disk\/esp$/m.exec(unit)!;
const [program = "", ...options] = words.split(" ");

let folder: string;
let esp: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-fat-"));
  esp = join(folder, "esp.img");
  execFileSync("mkfs.vfat", ["-C", "-F", "32", esp, "65536"]);
  execFileSync("mmd", ["-i", esp, "::EFI", "::EFI/Linux"]);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** In this order in the folder. */
function put(name: string, kernel: Buffer): void {
  writeFileSync(join(folder, "kernel"), kernel);
  execFileSync("mcopy", ["-i", esp, join(folder, "kernel"), `::EFI/Linux/${name}`]);
}

const find = (name: string) => withReader(esp, (readAt) => findFatFile(readAt, 0, `EFI/Linux/${name}`, 1 << 20));

/** Lets the last entry of the folder, which is empty, name the blocks of `name`, as in the middle of a rename. */
async function share(name: string): Promise<void> {
  const file = (await find(name))!;
  // Tables and folders come first.
  const disk = readFileSync(esp).subarray(0, 4 << 20);
  const cluster = (at: number) => (disk.readUInt16LE(at + 20) << 16) | disk.readUInt16LE(at + 26);
  const entries = [];
  for (let at = 0; at < disk.length - 32; at += 32) {
    if (disk.toString("latin1", at, at + 11).match(/^HAMLET~\dEFI$|^HAMLET~\dNEW$/)) entries.push(at);
  }
  const shared = entries.find((at) => cluster(at) !== 0 && disk.readUInt32LE(at + 28) === file.sizeBytes)!;
  const empty = entries.find((at) => disk.readUInt32LE(at + 28) === 0)!;
  const handle = openSync(esp, "r+");
  for (const [offset, length] of [
    [20, 2],
    [26, 6],
  ] as const) {
    writeSync(handle, disk, shared + offset, length, empty + offset);
  }
  closeSync(handle);
}

/** What the unit does; then the kernels as the mounted partition shows them. */
async function repair(): Promise<string> {
  const look = () => execFileSync("sh", ["-c", 'fsck.vfat -n "$1"; true', "sh", esp], { encoding: "utf8" });
  expect(look()).toMatch(/share clusters/);
  try {
    execFileSync(program, [...options, esp]);
  } catch (error) {
    // It says so by 1 that it has repaired something.
    if ((error as { status?: number }).status !== 1) throw error;
  }
  expect(look()).not.toMatch(/share|Orphan|Truncat/);
  const entries = join(folder, "entries");
  mkdirSync(entries);
  execFileSync("mcopy", ["-i", esp, "-m", "::EFI/Linux/*", entries]);
  return entries;
}

let record: TrialRecord | undefined;
const controlOf = (entries: string, slot: "a" | "b", version: string, counted?: string) =>
  systemdBoot({
    entries: entryFolderAt(entries),
    loaderVariable: async (name) =>
      name === "LoaderInfo" || counted ? Buffer.from(`\\EFI\\Linux\\${counted}\0`, "utf16le") : undefined,
    commandLine: async () => `quiet hamlet.slot=${slot}`,
    record: {
      read: async () => record,
      write: async (next) => {
        record = next;
      },
    },
    ...{ bootId: async () => "a-boot", version, tries: 3, restart: async () => {} },
  });

const needs = lacks("mkfs.vfat", "mcopy");
const old = makeKernel("a", "1.0");
const next = makeKernel("b", "1.1");

test.skipIf(needs).each([
  ["hamlet_1.1+2-1.efi", "hamlet_1.1.efi"],
  ["hamlet_1.1.efi", "hamlet_1.1+2-1.efi"],
])(
  "a commit that power cut off leaves one whole kernel, whether it is %s or not, and is repeated",
  async (...names) => {
    put("hamlet_1.0.efi", old);
    put(names[0], next);
    put(names[1], Buffer.alloc(0));
    await share(names[0]);
    const entries = await repair();
    const control = controlOf(entries, "b", "1.1", "hamlet_1.1+2-1.efi");
    const { phase }: BootState = await control.current();
    if (phase === "trying") await control.commit();
    expect(await control.current()).toMatchObject({ phase: "settled", slot: "b" });
    expect(readFileSync(join(entries, "hamlet_1.1.efi"))).toEqual(next);
    expect(readFileSync(join(entries, "hamlet_1.0.efi"))).toEqual(old);
  },
);

test.skipIf(needs).each([
  ["hamlet_1.1.new", "hamlet_1.1+3.efi"],
  ["hamlet_1.1+3.efi", "hamlet_1.1.new"],
])("staging that power cut off after %s leaves the old release whole, and the trial armed or not", async (...names) => {
  record = undefined;
  put("hamlet_1.0.efi", old);
  put(names[0], next);
  put(names[1], Buffer.alloc(0));
  await share(names[0]);
  const entries = await repair();
  const { phase } = await controlOf(entries, "a", "1.0").current();
  expect(phase).toBe(names[0].endsWith(".new") ? "settled" : "armed");
  expect(readFileSync(join(entries, "hamlet_1.0.efi"))).toEqual(old);
});

test.skipIf(needs)("the loader's own count that power cut off costs a trial no kernel", async () => {
  put("hamlet_1.0.efi", old);
  put("hamlet_1.1+3.efi", next);
  put("hamlet_1.1+2-1.efi", Buffer.alloc(0));
  await share("hamlet_1.1+3.efi");
  const entries = await repair();
  const control = controlOf(entries, "b", "1.1", "hamlet_1.1+2-1.efi");
  expect(await control.current()).toMatchObject({ phase: "trying", slot: "b" });
  await control.commit();
  expect(readFileSync(join(entries, "hamlet_1.1.efi"))).toEqual(next);
});
