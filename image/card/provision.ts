// Fills the provision block of an image, of a flashed card, or of a card's mounted first partition: 64 KiB, overwritten in
// place. Reads the partition table and FAT itself, so it needs no tools and no root, and takes the same time for any image size.

import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, HamletError } from "../../system/error.ts";
import { readSmallFile } from "../../system/small-file.ts";
import { type ImageJson, imageJsonPath, parseImageJson, provisionPath } from "../assemble/image-json.ts";
import { provisionBlockBytes } from "../boards.ts";
import { type FoundFile, findFatFile } from "../disk/fat.ts";
import { sectorBytes } from "../disk/gpt.ts";
import { magicBytes, packedImage, packingOf } from "../disk/packed.ts";
import { type ReadAt, readExtents, readerOf } from "../disk/read-at.ts";
import { readTable } from "../disk/table.ts";

type ProvisionBlock = { offset: number; length: number; image: ImageJson; path: string };

/** Ours have about a kilobyte. */
const maxImageJsonBytes = 64 << 10;
/** Files up to this size are located, so that the error can say that one is too long. */
const maxFoundBytes = 1 << 20;

const notOurs = (path: string, why: string, cause?: unknown) =>
  new HamletError("image.notOurs", `${path} is not a Hamlet image: ${why}`, {
    cause,
    hint: "make one with `hamlet image build`, or name the mounted first partition of a flashed card",
  });

/** Finds the provision block in the file `path` (an image or a disk), or in the mounted folder `path`. */
export async function findProvisionBlock(path: string): Promise<ProvisionBlock> {
  const facts = await stat(path).catch((cause) => {
    if (errnoOf(cause) === "ENOENT") throw new HamletError("image.notOurs", `there is no ${path}`, { cause });
    throw cause;
  });
  if (facts.isDirectory()) return await findInFolder(path);
  if (!facts.isFile() && !facts.isBlockDevice()) throw notOurs(path, "it is neither a file nor a disk");
  await using file = await opened(path, "r");
  return await findInImage(file.handle, path);
}

/** Overwrites the provision block with `block` and flushes it to the medium. */
export async function provisionImage(path: string, block: Buffer): Promise<{ offset: number; board: string }> {
  const { offset, length, image, path: target } = await findProvisionBlock(path);
  if (block.length !== length) {
    throw new HamletError("provision.tooLarge", `a provision block has ${length} bytes, this one ${block.length}`);
  }
  await using file = await opened(target, "r+");
  // It holds a live secret from here on. The mode of a device node or a file on FAT cannot be changed.
  if ((await file.handle.stat()).isFile()) await file.handle.chmod(0o600).catch(() => {});
  await file.handle.write(block, 0, length, offset);
  await file.handle.sync();
  return { offset, board: image.board };
}

export async function readProvisionBlock(path: string): Promise<Buffer> {
  const { offset, length, path: target } = await findProvisionBlock(path);
  await using file = await opened(target, "r");
  return await readWhole(readerOf(file.handle), target, offset, length);
}

async function findInFolder(folder: string): Promise<ProvisionBlock> {
  const path = join(folder, provisionPath);
  const about = await readSmallFile(join(folder, imageJsonPath), maxImageJsonBytes);
  if (!about) throw notOurs(folder, `it has no ${imageJsonPath}`);
  const image = parseImageJson(about, folder);
  const facts = await stat(path).catch((cause) => {
    throw notOurs(folder, `it has no ${provisionPath}`, cause);
  });
  if (!facts.isFile() || facts.size !== provisionBlockBytes)
    throw notOurs(folder, `${provisionPath} has ${facts.size} bytes`);
  return { offset: 0, length: facts.size, image, path };
}

async function findInImage(handle: FileHandle, path: string): Promise<ProvisionBlock> {
  const readAt = readerOf(handle);
  const table = await readTable(readAt);
  const first = table?.partitions[0];
  if (!table) {
    const by = packingOf(await readAt(0, magicBytes));
    if (by) throw packedImage(path, by);
  }
  if (!table || !first?.isFat) throw notOurs(path, "it has no partition table that begins with a FAT partition");
  const start = first.firstSector * sectorBytes;
  const fileOf = async (name: string): Promise<FoundFile> => {
    const found = await findFatFile(readAt, start, name, maxFoundBytes);
    if (!found) {
      if (table.diskSectors) await refuseTruncated(handle, path, table.diskSectors * sectorBytes);
      throw notOurs(path, `its first partition has no ${name}`);
    }
    return found;
  };
  const about = await fileOf(imageJsonPath);
  if (about.sizeBytes === 0 || about.sizeBytes > maxImageJsonBytes)
    throw notOurs(path, `${imageJsonPath} has ${about.sizeBytes} bytes`);
  const text = await readExtents(readAt, about.extents);
  const ends = table.partitions.map(({ firstSector, sectors }) => (firstSector + sectors) * sectorBytes);
  if (text.length < about.sizeBytes) await refuseTruncated(handle, path, Math.max(...ends));
  const image = parseImageJson(text, path);
  // Trust the table more than image.json: a card's last partition has grown.
  await refuseTruncated(handle, path, Math.max(image.sizeBytes, ...ends));
  const block = await fileOf(provisionPath);
  const [place] = block.extents;
  if (!place || block.extents.length !== 1 || place.length !== provisionBlockBytes) {
    throw notOurs(path, `${provisionPath} is not one piece of ${provisionBlockBytes} bytes`);
  }
  return { offset: place.offset, length: place.length, image, path };
}

/** A disk reports no file size; a file that is too short is an incomplete download or copy. */
async function refuseTruncated(handle: FileHandle, path: string, wantedBytes: number): Promise<void> {
  const facts = await handle.stat();
  if (!facts.isFile() || facts.size >= wantedBytes) return;
  throw new HamletError("image.truncated", `${path} ends after ${facts.size} of ${wantedBytes} bytes`, {
    hint: "the copy or the download was cut off: make or fetch the image again",
  });
}

async function readWhole(readAt: ReadAt, path: string, offset: number, length: number): Promise<Buffer> {
  const bytes = await readAt(offset, length);
  if (bytes.length === length) return bytes;
  throw new HamletError("image.truncated", `${path} ends before byte ${offset + length}`, {
    hint: "the copy or the download was cut off: make or fetch the image again",
  });
}

async function opened(path: string, flags: "r" | "r+"): Promise<{ handle: FileHandle } & AsyncDisposable> {
  const handle = await open(path, flags);
  return { handle, [Symbol.asyncDispose]: () => handle.close() };
}
