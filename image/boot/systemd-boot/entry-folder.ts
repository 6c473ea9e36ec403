// The folder `EFI/Linux` of the EFI partition. Each change is on the disk when the call returns.

import { mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { HamletError } from "../../../system/error.ts";
import { syncPath } from "../../../system/files.ts";
import { findSections } from "../../assemble/uki.ts";
import { readDirect } from "../../disk/direct.ts";
import { readerOf } from "../../disk/read-at.ts";
import type { Slot, Verity } from "../boot-control.ts";
import { slotOnCommandLine, verityOnCommandLine } from "../running.ts";
import { type Entry, isShortName, parseEntryName } from "./entries.ts";

export type EntryFolder = {
  list(): Promise<Entry[]>;
  /** Leftovers of interrupted writes. */
  leftovers(): Promise<{ file: string; sizeBytes: number }[]>;
  temporaryName(version: string): string;
  /** What the kernel under this name starts; undefined if the kernel is truncated or not ours. */
  about(file: string): Promise<{ slot: Slot; verity: Verity | undefined } | undefined>;
  /** Writes a kernel under a name that the loader ignores, and returns that name. */
  writeNew(version: string, chunks: AsyncIterable<Buffer>): Promise<string>;
  /** What the disk has under this name: read past the cache where that is possible. */
  readBack(file: string): AsyncIterable<Buffer>;
  rename(from: string, to: string): Promise<void>;
  /**
   * The loader no longer starts this kernel, whatever its name. FAT keeps a long name in pieces, and a power cut while one is changed
   * may leave the short name alone, without its counter: `HAMLET~1.EFI` would be started like a blessed kernel.
   */
  disarm(file: string): Promise<void>;
  remove(file: string): Promise<void>;
  freeBytes(): Promise<number>;
};

// systemd-boot lists every name that ends in .efi and does not begin with a dot.
const newSuffix = ".new";
const temporaryName = (version: string): string => `hamlet_${version}${newSuffix}`;

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
      const files = await readdir(folder);
      const named = files.flatMap((file) => parseEntryName(file) ?? []);
      const short: Entry[] = [];
      for (const file of files.filter(isShortName)) {
        // A kernel that was disarmed has no version, and the loader passes over it too.
        const version = await versionOf(at(file));
        if (version) short.push({ file, stem: file.toLowerCase(), version, triesDone: 0, sizeBytes: 0, isShort: true });
      }
      return Promise.all(
        [...named, ...short].map(async (entry) => {
          const { size } = await stat(at(entry.file));
          return { ...entry, slot: (await aboutKernel(at(entry.file)))?.slot, sizeBytes: size };
        }),
      );
    },
    async leftovers() {
      const names = (await readdir(folder)).filter((name) => name.startsWith("hamlet_") && name.endsWith(newSuffix));
      return Promise.all(names.map(async (file) => ({ file, sizeBytes: (await stat(at(file))).size })));
    },
    temporaryName,
    about: (file) => aboutKernel(at(file)),
    async writeNew(version, chunks) {
      await mkdir(folder, { recursive: true });
      const name = temporaryName(version);
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
        // The source of the bytes says itself what is wrong with them.
        throw cause instanceof HamletError ? cause : unwritable(cause);
      }
      return name;
    },
    readBack: (file) => readDirect(at(file)),
    async rename(from, to) {
      await onDisk(() => rename(at(from), at(to)));
    },
    async disarm(file) {
      const place = await releasePlace(at(file));
      if (!place) return;
      try {
        const kernel = await open(at(file), "r+");
        try {
          await kernel.write(Buffer.alloc(place.length), 0, place.length, place.offset);
          await kernel.sync();
        } finally {
          await kernel.close();
        }
      } catch (cause) {
        throw unwritable(cause);
      }
    },
    async remove(file) {
      // Whatever has a kernel's name makes room for a kernel: a folder that kept it would end all updates.
      await onDisk(() => rm(at(file), { force: true, recursive: true }));
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

/** The header of a unified kernel image, and the most that its command line takes. */
export const headBytes = 4096;
/** Written whole or not at all. */
const sectorBytes = 512;

/** Where a kernel names its release, as far as one sector goes. The loader skips kernels without a name and a version. */
async function releasePlace(path: string): Promise<{ offset: number; length: number } | undefined> {
  try {
    const file = await open(path, "r");
    try {
      const named = findSections(await readerOf(file)(0, headBytes)).find(({ name }) => name === ".osrel");
      return named && { offset: named.offset, length: Math.min(named.sizeBytes, sectorBytes) };
    } finally {
      await file.close();
    }
  } catch {
    // No kernel: the loader finds as little in it.
    return undefined;
  }
}

/** The version of the release that a kernel names. */
async function versionOf(path: string): Promise<string | undefined> {
  const place = await releasePlace(path);
  if (!place) return undefined;
  const file = await open(path, "r");
  try {
    const text = (await readerOf(file)(place.offset, place.length)).toString("latin1");
    return /^IMAGE_VERSION=(\S+)$/m.exec(text)?.[1];
  } finally {
    await file.close();
  }
}

async function aboutKernel(path: string): Promise<{ slot: Slot; verity: Verity | undefined } | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return undefined;
  try {
    const readAt = readerOf(file);
    const sections = findSections(await readAt(0, headBytes));
    const { size } = await file.stat();
    const commandLine = sections.find(({ name }) => name === ".cmdline");
    const isWhole = sections.every(({ offset, sizeBytes }) => offset + sizeBytes <= size);
    if (!commandLine || !isWhole || commandLine.sizeBytes > headBytes) return undefined;
    const text = (await readAt(commandLine.offset, commandLine.sizeBytes)).toString("latin1");
    return { slot: slotOnCommandLine(text), verity: verityOnCommandLine(text) };
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
