// The folder `EFI/Linux` of the EFI partition. Each change is on the disk when the call returns.

import { mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { digestFile } from "../../../system/digest.ts";
import { HamletError } from "../../../system/error.ts";
import { syncPath } from "../../../system/files.ts";
import { findSections } from "../../assemble/uki.ts";
import { readerOf } from "../../disk/read-at.ts";
import type { Slot } from "../boot-control.ts";
import { slotOnCommandLine } from "../running.ts";
import { type Entry, parseEntryName } from "./entries.ts";

export type EntryFolder = {
  list(): Promise<Entry[]>;
  /** Leftovers of interrupted writes. */
  leftovers(): Promise<string[]>;
  /** The slot that a kernel starts; undefined if the kernel is truncated or not ours. */
  about(path: string): Promise<{ slot: Slot } | undefined>;
  /** Writes a kernel under a name that the loader ignores, and returns that name. */
  writeNew(version: string, chunks: AsyncIterable<Buffer>): Promise<string>;
  digest(file: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  remove(file: string): Promise<void>;
  freeBytes(): Promise<number>;
};

// systemd-boot lists every name that ends in .efi and does not begin with a dot.
const newSuffix = ".new";

export function entryFolderAt(folder: string): EntryFolder {
  const at = (file: string) => join(folder, file);
  const onDisk = async (change: () => Promise<void>) => {
    try {
      await change();
      await syncPath(folder);
    } catch (cause) {
      throw unwritable(cause);
    }
  };
  return {
    async list() {
      const names = (await readdir(folder)).flatMap((file) => parseEntryName(file) ?? []);
      return Promise.all(
        names.map(async (name) => {
          const { size } = await stat(at(name.file));
          return { ...name, slot: (await aboutKernel(at(name.file)))?.slot, sizeBytes: size };
        }),
      );
    },
    leftovers: async () =>
      (await readdir(folder)).filter((name) => name.startsWith("hamlet_") && name.endsWith(newSuffix)),
    about: aboutKernel,
    async writeNew(version, chunks) {
      await mkdir(folder, { recursive: true });
      const name = `hamlet_${version}${newSuffix}`;
      try {
        const file = await open(at(name), "w", 0o600);
        try {
          for await (const chunk of chunks) await file.writeFile(chunk);
          await file.sync();
        } finally {
          await file.close();
        }
      } catch (cause) {
        await rm(at(name), { force: true }).catch(() => {});
        throw unwritable(cause);
      }
      return name;
    },
    digest: async (file) => (await digestFile(at(file))).sha256,
    async rename(from, to) {
      await onDisk(() => rename(at(from), at(to)));
    },
    async remove(file) {
      await onDisk(() => rm(at(file), { force: true }));
    },
    async freeBytes() {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
  };
}

/** A FAT damaged by a power cut turns read-only at the first write that notices, and is repaired by a restart. */
const unwritable = (cause: unknown) =>
  new HamletError("boot.writeFailed", "the EFI partition cannot be written", {
    cause,
    hint: "the running slot is untouched; restart the device and try again",
  });

const headBytes = 4096;

async function aboutKernel(path: string): Promise<{ slot: Slot } | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return undefined;
  try {
    const readAt = readerOf(file);
    const sections = findSections(await readAt(0, headBytes));
    const { size } = await file.stat();
    const commandLine = sections.find(({ name }) => name === ".cmdline");
    const isWhole = sections.every(({ offset, sizeBytes }) => offset + sizeBytes <= size);
    if (!commandLine || !isWhole || commandLine.sizeBytes > headBytes) return undefined;
    return { slot: slotOnCommandLine((await readAt(commandLine.offset, commandLine.sizeBytes)).toString("latin1")) };
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
