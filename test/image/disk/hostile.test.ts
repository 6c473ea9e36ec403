// Hostile images: each number in them takes its worst value, and every reader soon returns a value or a coded error.
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { appendSections } from "../../../image/assemble/uki.ts";
import { boardNamed } from "../../../image/boards.ts";
import { findProvisionBlock } from "../../../image/card/provision.ts";
import { type Erofs, openErofs, readErofsFile, walkErofs } from "../../../image/disk/erofs.ts";
import { findFatFile, readFatFile } from "../../../image/disk/fat.ts";
import { sectorBytes } from "../../../image/disk/gpt.ts";
import { type ReadAt, readerOf } from "../../../image/disk/read-at.ts";
import { findBmap } from "../../../image/flash/flash.ts";
import { diffImages } from "../../../image/inspect/diff.ts";
import { inspectImage } from "../../../image/inspect/inspect.ts";
import { HamletError } from "../../../system/error.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeStub } from "../assemble/stub.ts";
import { diskBytes, imageFacts, makeDisk } from "./disk.ts";

let folder = "";
let image = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-hostile-"));
  image = join(folder, "disk.img");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const esp = 2048 * sectorBytes;
const fat = esp + 32 * sectorBytes;
const dataOfFat = fat + 64 * sectorBytes;

/** The disk with some bytes changed and the table's checksums corrected. */
async function change(how: (disk: Buffer) => void): Promise<void> {
  const disk = await readFile(image);
  how(disk);
  disk.writeUInt32LE(crc32(disk.subarray(2 * sectorBytes, 34 * sectorBytes)), sectorBytes + 88);
  disk.writeUInt32LE(0, sectorBytes + 16);
  disk.writeUInt32LE(crc32(disk.subarray(sectorBytes, sectorBytes + 92)), sectorBytes + 16);
  await writeFile(image, disk);
}

/** Counts reads and bytes. */
function counted(readAt: ReadAt): { readAt: ReadAt; reads: () => number; bytes: () => number } {
  let [reads, bytes] = [0, 0];
  return {
    readAt: (offset, length) => {
      reads += 1;
      bytes += length;
      return readAt(offset, length);
    },
    reads: () => reads,
    bytes: () => bytes,
  };
}

test.each([
  ["begins at 2^63", (disk: Buffer) => disk.writeBigUInt64LE(2n ** 63n, 2 * sectorBytes + 128 + 32)],
  ["ends before it begins", (disk: Buffer) => disk.writeBigUInt64LE(1n, 2 * sectorBytes + 128 + 40)],
  ["ends beyond the disk", (disk: Buffer) => disk.writeBigUInt64LE(2n ** 40n, 2 * sectorBytes + 128 + 40)],
  ["begins inside another", (disk: Buffer) => disk.writeBigUInt64LE(3000n, 2 * sectorBytes + 128 + 32)],
  ["begins before the first sector", (disk: Buffer) => disk.writeBigUInt64LE(0n, 2 * sectorBytes + 32)],
])("k1-image-fuzz: a table with a partition that %s is refused", async (_, how) => {
  await makeDisk(image);
  await change(how);
  for (const read of [findProvisionBlock, inspectImage])
    await expect(read(image)).rejects.toMatchObject({ code: "image.notOurs" });
});

test("k1-image-fuzz: a disk that claims to be longer than its file counts as truncated", async () => {
  await makeDisk(image);
  await change((disk) => {
    disk.writeBigUInt64LE(2n ** 40n, sectorBytes + 32);
    disk.writeBigUInt64LE(2n ** 40n - 100n, 2 * sectorBytes + 128 + 40);
  });
  for (const read of [findProvisionBlock, inspectImage, (path: string) => diffImages(path, path, silentProgress)])
    await expect(read(image)).rejects.toMatchObject({ code: "image.truncated" });
});

test.each([
  ["a board that every object has", { board: "constructor" }, "usage.invalid"],
  ["a date out of range", { builtS: Number.MAX_SAFE_INTEGER }, "image.notOurs"],
])("k1-image-fuzz: an image with %s is refused", async (_, facts, code) => {
  await makeDisk(image, { image: facts });
  await expect(inspectImage(image)).rejects.toMatchObject({ code });
  expect(() => boardNamed("__proto__")).toThrow(HamletError);
});

test("k1-image-fuzz: an image.json nested ten thousand deep is not valid", async () => {
  await makeDisk(image, { image: `{"format":${"[".repeat(20_000)}` });
  await expect(inspectImage(image)).rejects.toMatchObject({ code: "image.notOurs" });
});

test("k1-image-fuzz: an impossible offset is beyond the end, and missing bytes take no memory", async () => {
  await writeFile(image, "hello");
  await using file = await open(image);
  const readAt = readerOf(file);
  for (const offset of [-1, 5, 2 ** 53, 2 ** 64, Number.NaN, Number.POSITIVE_INFINITY])
    expect(await readAt(offset, 64)).toHaveLength(0);
  for (const length of [2 ** 40, Number.MAX_SAFE_INTEGER - 10]) expect(String(await readAt(1, length))).toBe("ello");
});

test.each([1, 2048])("k2-fat-loop: a chain that loops between two clusters, %i apart, is not a file", async (apart) => {
  await makeDisk(image);
  await change((disk) => {
    disk.writeUInt8(1, esp + 13);
    // The second file of the folder is image.json; its entry follows a part of its long name.
    const entry = disk.indexOf("FILE1", dataOfFat);
    disk.writeUInt32LE(0xffffffff, entry + 28);
    disk.writeUInt16LE(100, entry + 26);
    disk.writeUInt32LE(100 + apart, fat + 100 * 4);
    disk.writeUInt32LE(100, fat + (100 + apart) * 4);
  });
  await using file = await open(image);
  const { readAt, reads } = counted(readerOf(file));
  expect(await findFatFile(readAt, esp, "hamlet/image.json", 2 ** 32)).toBeUndefined();
  expect(reads()).toBeLessThan(20);
  await expect(findProvisionBlock(image)).rejects.toMatchObject({ code: "image.notOurs" });
});

test("k2-fat-loop: reading ends for a folder whose chain loops or that contains itself", async () => {
  await makeDisk(image);
  await change((disk) => disk.writeUInt32LE(3, fat + 3 * 4));
  await expect(findProvisionBlock(image)).rejects.toMatchObject({ code: "image.notOurs" });
  await makeDisk(image);
  // `hamlet` in the root folder is the root folder.
  await change((disk) => disk.writeUInt16LE(2, disk.indexOf("HAMLET", dataOfFat) + 26));
  await using file = await open(image);
  expect(await readFatFile(readerOf(file), esp, `${"hamlet/".repeat(50)}image.json`, 4096)).toBeUndefined();
});

test("k2-fat-loop: a chain that jumps at each step without repeating is not followed to its end", async () => {
  // Each entry leads to a distant part of a table of 64 MiB, until no entries are left.
  const entries = 16 << 20;
  const reserved = 32 * 512;
  const boot = Buffer.alloc(512);
  boot.writeUInt16LE(512, 11);
  boot.writeUInt8(1, 13);
  boot.writeUInt16LE(32, 14);
  boot.writeUInt8(1, 16);
  boot.writeUInt32LE((entries * 4) / 512, 36);
  boot.writeUInt32LE(2, 44);
  boot.writeUInt16LE(0xaa55, 510);
  const root = Buffer.alloc(512);
  root.write("BIG", 0, "latin1");
  root.fill(" ", 3, 11);
  root.writeUInt8(0x20, 11);
  root.writeUInt16LE(5, 26);
  root.writeUInt32LE(256 << 20, 28);
  const { readAt, reads } = counted(async (offset, length) => {
    if (offset === 0) return boot;
    if (offset >= reserved + entries * 4) return Buffer.concat([root, Buffer.alloc(length)]).subarray(0, length);
    const piece = Buffer.alloc(length);
    for (let at = 0; at < length; at += 4) {
      const cluster = (offset - reserved + at) / 4;
      piece.writeUInt32LE(cluster === 2 ? 0x0fffffff : (cluster + 2049) % entries, at);
    }
    return piece;
  });
  expect(await readFatFile(readAt, 0, "big", 256 << 20)).toBeUndefined();
  expect(reads()).toBeLessThan(5000);
});

/** An erofs in which every inode is a folder of these entries, with the size that it claims. */
function folders(sizeBytes: number, names: number): { readAt: ReadAt; volume: Erofs } {
  const volume = { start: 0, blockBytes: 4096, rootNid: 1, sizeBytes: 2 ** 43, metaOffset: 0 };
  const block = Buffer.alloc(4096);
  for (let index = 0; index < names; index++) {
    block.writeUInt16LE(names * 12, index * 12 + 8);
    // All have the same name of 200 letters.
    if (index > 0) block.writeUInt16LE(names * 12 + (index % 100), index * 12 + 8);
  }
  block.fill("x", names * 12, names * 12 + 250);
  let nid = 1n;
  const readAt: ReadAt = async (offset, length) => {
    if (length === 64) {
      const inode = Buffer.alloc(64);
      inode.writeUInt16LE(0o040755, 4);
      inode.writeUInt32LE(sizeBytes, 8);
      inode.writeUInt32LE(1 << 20, 16);
      return inode;
    }
    for (let index = 0; index < names; index++) block.writeBigUInt64LE(++nid, index * 12);
    const content = Buffer.alloc(length);
    for (let at = 0; at < length; at += 4096) block.copy(content, at);
    return offset < 2 ** 32 ? Buffer.alloc(0) : content;
  };
  return { readAt, volume };
}

test.each([
  [4096, 2],
  [4096, 100],
  [4 << 20, 100],
])("k1-image-fuzz: an erofs of endless folders of %i bytes each counts as damaged", async (sizeBytes, names) => {
  const { readAt, volume } = folders(sizeBytes, names);
  const walk = async () => {
    let chars = 0;
    for await (const { path } of walkErofs(readAt, volume)) chars += path.length;
    return chars;
  };
  await expect(walk()).rejects.toMatchObject({ code: "image.damaged" });
});

test("k1-image-fuzz: a file longer than its filesystem is not read", async () => {
  const bytes = Buffer.alloc(8192);
  bytes.writeUInt32LE(0xe0f5e1e2, 1024);
  bytes.writeUInt8(12, 1024 + 12);
  bytes.writeUInt16LE(4, 1024 + 14);
  bytes.writeUInt32LE(2, 1024 + 36);
  // An extended inode, flat: a file of 2^62 bytes.
  bytes.writeUInt16LE(1, 128);
  bytes.writeUInt16LE(0o100644, 128 + 4);
  bytes.writeBigUInt64LE(2n ** 62n, 128 + 8);
  const { readAt, bytes: readBytes } = counted(async (offset, length) => bytes.subarray(offset, offset + length));
  const volume = (await openErofs(readAt, 0))!;
  for await (const entry of walkErofs(readAt, volume))
    expect(entry).toMatchObject({ kind: "file", extents: undefined });
  expect(await readErofsFile(readAt, volume, "", 2 ** 62)).toBeUndefined();
  expect(readBytes()).toBeLessThan(10_000);
});

test("k1-image-fuzz: a stub whose header makes no sense is refused", () => {
  for (const [at, value] of [
    [36, 0],
    [36, 0x80000000],
    [32, 3],
    [60, 0x7fffffff],
  ] as const) {
    const stub = makeStub();
    stub.writeUInt32LE(value, stub.readUInt32LE(0x3c) + 24 + at);
    const append = () => appendSections(stub, [{ name: ".a", content: Buffer.alloc(10) }]);
    expect(append, `field ${at}`).toThrow(expect.objectContaining({ code: "bundle.invalid" }));
  }
});

test("k1-image-fuzz: the map beside an image and the image.json on a card must be small regular files", async () => {
  await writeFile(image, "");
  await mkdir(`${image}.bmap`);
  await expect(findBmap(image, diskBytes)).rejects.toMatchObject({ code: "file.invalid" });
  await rm(`${image}.bmap`, { recursive: true });
  await using map = await open(`${image}.bmap`, "w");
  await map.truncate(2 ** 40);
  await expect(findBmap(image, diskBytes)).rejects.toMatchObject({ code: "file.invalid" });
  await mkdir(join(folder, "card/hamlet"), { recursive: true });
  await writeFile(join(folder, "card/hamlet/image.json"), JSON.stringify(imageFacts).padEnd(100_000));
  await expect(findProvisionBlock(join(folder, "card"))).rejects.toMatchObject({ code: "file.invalid" });
});
