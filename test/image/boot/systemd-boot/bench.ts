// A UEFI device: its EFI partition is a folder, its firmware a model of systemd-boot 252 made from the documentation:
// entries without tries sort last, the others by version, newest first; the loader counts the chosen one down by renaming it
// before it starts.
import { hash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { appendSections } from "../../../../image/assemble/uki.ts";
import type { Slot, Verity } from "../../../../image/boot/boot-control.ts";
import { type EntryFolder, entryFolderAt } from "../../../../image/boot/systemd-boot/entry-folder.ts";
import { systemdBoot } from "../../../../image/boot/systemd-boot/systemd-boot.ts";
import { compareVersions } from "../../../../image/boot/versions.ts";
import { makeStub, sectionsOf } from "../../assemble/stub.ts";
import { type Bench, makeSystem, maxStarts, streamOf } from "../bench.ts";
import type { Power } from "../power.ts";

const tries = 3;

export const anyVerity: Verity = { rootHash: "ab".repeat(32), dataBlocks: 40 };

export function makeKernel(slot: Slot | "?", version: string, { rootHash, dataBlocks }: Verity = anyVerity): Buffer {
  const words = `quiet hamlet.verity=${rootHash} hamlet.blocks=${dataBlocks} hamlet.slot=${slot}`;
  return appendSections(makeStub(), [
    { name: ".osrel", content: Buffer.from(`ID=hamlet\nIMAGE_VERSION=${version}\n`) },
    { name: ".cmdline", content: Buffer.from(`${words}\0`) },
    { name: ".linux", content: Buffer.from(`kernel ${version}`) },
  ]);
}

export type SystemdBootBench = Bench & {
  folder: string;
  /** The loader's variables, which a test may change. */
  variables: Map<string, Buffer | undefined>;
};

export async function systemdBootBench({ freeBytes = 1 << 30 } = {}): Promise<SystemdBootBench> {
  const system = makeSystem("1.0");
  const work = mkdtempSync(join(tmpdir(), "hamlet-boot-"));
  const folder = join(work, "EFI/Linux");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "hamlet_1.0.efi"), makeKernel("a", "1.0"));
  const entries = { ...withPower(entryFolderAt(folder), folder, system.power), freeBytes: async () => freeBytes };
  const variables = new Map<string, Buffer | undefined>();

  return {
    power: system.power,
    folder,
    variables,
    restarted: system.restarted,
    async start() {
      system.power.restore();
      for (let count = 0; count < maxStarts; count++) {
        const chosen = pickEntry(folder);
        if (!chosen) break;
        system.nextBoot();
        const { slot, version, countPath } = chosen;
        if (!system.starts(slot, version)) continue;
        variables.set("LoaderInfo", Buffer.from("systemd-boot 252\0", "utf16le"));
        variables.set("LoaderBootCountPath", countPath ? Buffer.from(`${countPath}\0`, "utf16le") : undefined);
        const control = systemdBoot({
          entries,
          loaderVariable: async (name) => variables.get(name),
          commandLine: async () => `quiet hamlet.slot=${slot}`,
          record: system.record,
          bootId: system.bootId,
          version,
          tries,
          restart: system.restart,
        });
        return { control, slot, version };
      }
      throw new Error(`neither slot starts: ${readdirSync(folder).join(" ")}`);
    },
    async writeSlot(slot, version) {
      system.slots[slot] = { version, isBroken: false };
      return { version, kernel: streamOf(makeKernel(slot, version)) };
    },
    holds: system.holds,
    bootFiles: () =>
      readdirSync(folder)
        .map((file) => `${file} ${hash("sha256", readFileSync(join(folder, file)))}`)
        .join("\n"),
    breakSlot(slot) {
      system.slots[slot]!.isBroken = true;
    },
    dispose: () => rmSync(work, { recursive: true, force: true }),
  };
}

type Chosen = { slot: Slot; version: string; countPath: string | undefined };

const pickEntry = (folder: string): Chosen | undefined =>
  chooseEntry(
    readdirSync(folder),
    (file) => readFileSync(join(folder, file)),
    (from, to) => renameSync(join(folder, from), join(folder, to)),
  );

/** What the loader starts, and how it counts that. */
export function chooseEntry(
  names: string[],
  read: (file: string) => Buffer,
  rename: (from: string, to: string) => void,
): Chosen | undefined {
  const found = names.flatMap((file) => {
    if (!/\.efi$/i.test(file) || file.startsWith(".")) return [];
    try {
      const sections = sectionsOf(read(file));
      const text = (name: string) => sections.find((one) => one.name === name)!.content.toString();
      const [, version = ""] = /IMAGE_VERSION=(.*)/.exec(text(".osrel"))!;
      const [, slot] = /hamlet\.slot=([ab])/.exec(text(".cmdline"))!;
      const [, left, done] = /\+(\d+)(?:-(\d+))?\.efi$/i.exec(file) ?? [];
      return [{ file, version, slot: slot as Slot, left: left && Number(left), done: Number(done ?? 0) }];
    } catch {
      // The loader skips files without the sections of a unified kernel image.
      return [];
    }
  });
  const [first] = found.sort(
    (a, b) =>
      Number(a.left === 0) - Number(b.left === 0) ||
      -compareVersions(a.version, b.version) ||
      (a.file < b.file ? 1 : -1),
  );
  if (!first) return undefined;
  const { file, version, slot, left, done } = first;
  if (typeof left !== "number") return { slot, version, countPath: undefined };
  // It starts even without tries left if there is nothing better.
  const counted = left === 0 ? file : file.replace(/\+\d+(-\d+)?\.efi$/i, `+${left - 1}-${done + 1}.efi`);
  if (counted !== file) rename(file, counted);
  return { slot, version, countPath: `\\EFI\\Linux\\${counted}` };
}

/** FAT with `dirsync` under power cuts: an interrupted rename leaves both names, the new one possibly empty. */
function withPower(inner: EntryFolder, folder: string, power: Power): EntryFolder {
  const at = (file: string) => join(folder, file);
  return {
    ...inner,
    writeNew: (version, chunks) =>
      power.write(
        () => inner.writeNew(version, chunks),
        async () => {
          for await (const chunk of chunks) {
            writeFileSync(at(`hamlet_${version}.new`), chunk.subarray(0, chunk.length / 2));
            break;
          }
        },
      ),
    rename: (from, to) =>
      power.write(
        () => inner.rename(from, to),
        async () => {
          if (renameLeaves === "emptyName") return writeFileSync(at(to), "");
          copyFileSync(at(from), at(to));
          // A long name lies in pieces beside the short one, which has the same ending.
          if (renameLeaves === "shortName") renameSync(at(from), at(`HAMLET~1${extname(from).toUpperCase()}`));
        },
      ),
    disarm: (file) =>
      power.write(
        () => inner.disarm(file),
        async () => {},
      ),
    remove: (file) =>
      power.write(
        () => inner.remove(file),
        async () => {},
      ),
  };
}

/** What a power cut leaves of a rename: both names, an empty new one, or the new one and the old one's short form. */
export type RenameLeaves = "bothNames" | "emptyName" | "shortName";
let renameLeaves: RenameLeaves = "bothNames";
/** Tests run with each. */
export const setRenameLeaves = (leaves: RenameLeaves): void => {
  renameLeaves = leaves;
};
