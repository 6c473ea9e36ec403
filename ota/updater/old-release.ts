// Reads the running release, which recipes copy from: its root and boot partition on the disk, its kernel in the EFI partition.
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Slot } from "../../image/boot/boot-control.ts";
import { isBlessed } from "../../image/boot/systemd-boot/entries.ts";
import { entryFolderAt } from "../../image/boot/systemd-boot/entry-folder.ts";
import { readFully } from "../../image/disk/read-at.ts";
import type { OldPart } from "../format/recipe.ts";

export type OldRelease = {
  /** Undefined if there is no such part, or the bytes do not read. */
  read(part: OldPart, offset: number, length: number): Promise<Buffer | undefined>;
  close(): Promise<void>;
};

/** `disk` is the initrd's folder of links, `entries` is EFI/Linux. */
export function openOldRelease(disk: string, entries: string, slot: Slot): OldRelease {
  const files = new Map<OldPart, Promise<Awaited<ReturnType<typeof open>> | undefined>>();
  const pathOf = async (part: OldPart) => {
    if (part !== "kernel") return join(disk, `${part}-${slot}`);
    const own = (await entryFolderAt(entries).list()).find((one) => one.slot === slot && isBlessed(one));
    return own && join(entries, own.file);
  };
  const openPart = async (part: OldPart) => {
    const path = await pathOf(part).catch(() => undefined);
    return path === undefined ? undefined : open(path, "r").catch(() => undefined);
  };
  return {
    async read(part, offset, length) {
      if (!files.has(part)) files.set(part, openPart(part));
      const file = await files.get(part);
      return file && readFully(file, Buffer.alloc(length), offset).catch(() => undefined);
    },
    async close() {
      for (const file of files.values()) await (await file)?.close();
    },
  };
}
