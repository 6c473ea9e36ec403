// Reads the disk that this device runs from: its partitions, and which slots hold a system.

import { type FileHandle, readlink } from "node:fs/promises";
import { join } from "node:path";
import { HamletError } from "../../system/error.ts";
import { type ImageJson, imageJsonPath, parseImageJson } from "../assemble/image-json.ts";
import { blockBytes } from "../disk/block.ts";
import { openDirect } from "../disk/direct.ts";
import { readFatFile } from "../disk/fat.ts";
import { type Gpt, headSectors, readGpt, sectorBytes } from "../disk/gpt.ts";
import { type ReadAt, readFully } from "../disk/read-at.ts";
import { usedBytes } from "../flash/needed.ts";
import { alignedBuffer, pieceBytes, roundUp } from "../flash/pieces.ts";

export type OwnDisk = {
  path: string;
  gpt: Gpt;
  image: ImageJson;
  /** Reads a partition from the medium, because cached bytes may be older. */
  read(label: string, into: Buffer, offset: number): Promise<void>;
  /** The used lengths of the partitions other than `data` that hold something. */
  used: ReadonlyMap<string, number>;
  close(): Promise<void>;
};

/** `links` is the initrd's folder of links by role. Throws `install.notADevice` or `install.unsupported`. */
export async function openOwnDisk(links: string): Promise<OwnDisk> {
  const path = await readlink(join(links, "disk")).catch((cause: unknown) => {
    throw new HamletError("install.notADevice", "this computer does not run from a Hamlet disk", {
      hint: "write an image with `hamlet flash`; `hamlet install` is for a device that runs from a stick",
      exitCode: 2,
      cause,
    });
  });
  const head = alignedBuffer(roundUp(headSectors * sectorBytes, blockBytes));
  await readFrom(path, head, 0);
  const gpt = readGpt(head);
  if (gpt?.partitions.at(-1)?.label !== "data") {
    throw new HamletError("install.unsupported", `${path} has no GPT with the layout of UEFI boards`, {
      hint: "write a Raspberry Pi's card with `hamlet flash`, and the disk that replaces it too",
      exitCode: 3,
    });
  }
  const handles = new Map<string, FileHandle>();
  const read = async (label: string, into: Buffer, offset: number) => {
    const handle = handles.get(label) ?? (await openDirect(join(links, label)));
    handles.set(label, handle);
    await readWhole(handle, into, offset);
  };
  const close = async () => {
    for (const handle of handles.values()) await handle.close();
  };
  try {
    const image = await readImageJson(read, path);
    /** Enough of a partition to find its used length: the tables of a FAT. */
    const used = new Map<string, number>();
    for (const { label, sectors } of gpt.partitions) {
      if (label === "data") continue;
      const start = alignedBuffer(Math.min(pieceBytes, sectors * sectorBytes));
      await read(label, start, 0);
      const bytes = usedBytes(start);
      // A slot without a system may hold anything.
      if (bytes !== undefined) used.set(label, bytes);
    }
    return { path, gpt, image, read, used, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function readImageJson(read: OwnDisk["read"], path: string): Promise<ImageJson> {
  const readAt: ReadAt = async (offset, length) => {
    const from = Math.floor(offset / blockBytes) * blockBytes;
    const bytes = alignedBuffer(roundUp(offset + length, blockBytes) - from);
    await read("esp", bytes, from);
    return bytes.subarray(offset - from, offset - from + length);
  };
  const bytes = await readFatFile(readAt, 0, imageJsonPath, 64 << 10);
  if (bytes) return parseImageJson(bytes, path);
  throw new HamletError("image.notOurs", `the first partition of ${path} has no ${imageJsonPath}`);
}

async function readFrom(path: string, into: Buffer, offset: number): Promise<void> {
  const handle = await openDirect(path);
  try {
    await readWhole(handle, into, offset);
  } finally {
    await handle.close();
  }
}

export async function readWhole(handle: FileHandle, into: Buffer, offset: number): Promise<void> {
  const { length } = await readFully(handle, into, offset);
  if (length < into.length) throw new HamletError("image.truncated", `a partition ends before byte ${offset + length}`);
}
