// The objects of a repository: chunks and recipes, each a zstd frame under the digest of its content; and packs.
import { statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { replaceFile, syncPath } from "../../system/files.ts";
import { objectPath, packPath } from "../format/names.ts";
import { readIfThere } from "./files.ts";
import { repositoryFolder } from "./folder.ts";
import { openFrame } from "./open-frame.ts";

/** Level 9 saves 2 % more and takes twice as long. */
export const compressionLevel = 6;

export type Objects = {
  /** The bytes that a device would fetch; undefined if there is no such object. */
  frameBytes(sha256: string): number | undefined;
  /** Whole before its name; the name survives a power cut only after `flush`. */
  put(sha256: string, content: Uint8Array): Promise<void>;
  /** A recipe's frames, one behind the other, under the digest of all. */
  putPack(sha256: string, frames: Uint8Array): Promise<void>;
  flush(): Promise<void>;
  /** Throws `ota.damaged`. */
  read(sha256: string, sizeBytes: number): Promise<Buffer>;
  pathOf(sha256: string): string;
};

export function objectsIn(folder: string): Objects {
  const pathOf = (sha256: string) => join(repositoryFolder(folder), objectPath(sha256));
  const unflushed = new Set<string>();
  /** Nobody removes an object while it is in use here. */
  const sizes = new Map<string, number>();
  const write = async (path: string, content: Uint8Array) => {
    if (!unflushed.has(dirname(path))) await mkdir(dirname(path), { recursive: true });
    await replaceFile(path, (file) => file.writeFile(content), { mode: 0o644, isNameLater: true });
    unflushed.add(dirname(path));
  };
  return {
    pathOf,
    frameBytes(sha256) {
      // Thousands in a row: waiting for each would take longer than all of them.
      const known = sizes.get(sha256) ?? statSync(pathOf(sha256), { throwIfNoEntry: false })?.size;
      if (known !== undefined) sizes.set(sha256, known);
      return known;
    },
    async put(sha256, content) {
      const frame = await compress(content);
      await write(pathOf(sha256), frame);
      sizes.set(sha256, frame.length);
    },
    putPack: (sha256, frames) => write(join(repositoryFolder(folder), packPath(sha256)), frames),
    async flush() {
      if (unflushed.size === 0) return;
      for (const one of unflushed) await syncPath(one);
      for (const one of new Set([...unflushed].map(dirname))) await syncPath(one);
      unflushed.clear();
    },
    async read(sha256, sizeBytes) {
      const path = pathOf(sha256);
      return await openFrame(await readIfThere(path), sha256, sizeBytes, path);
    },
  };
}

const compress = (content: Uint8Array): Promise<Buffer> =>
  promisify(zstdCompress)(content, {
    params: { [constants.ZSTD_c_compressionLevel]: compressionLevel },
    // So that the frame tells the length of its content.
    pledgedSrcSize: content.length,
  });
