import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ImageJson } from "../../../image/assemble/image-json.ts";
import { mapImage } from "../../../image/assemble/map.ts";
import { sectorBytes } from "../../../image/disk/gpt.ts";
import { mbrTypes, writeMbr } from "../../../image/disk/mbr.ts";
import { Drive } from "../../../image/flash/block-device.ts";
import { openImage } from "../../../image/flash/source.ts";
import { writeImage } from "../../../image/flash/write.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeDisk } from "../disk/disk.ts";
import { Medium } from "./medium.ts";

const mib = 1 << 20;
const sizeBytes = 12 * mib;
/** As on a Raspberry Pi: the system is in logical partitions, each with its own record before it. */
const logical = { rootA: 5 * mib, rootB: 7 * mib };
const layout = [
  { offset: mib, sizeBytes: 2 * mib },
  { offset: logical.rootA, sizeBytes: mib },
  { offset: logical.rootB, sizeBytes: 4 * mib },
];
let folder = "";
let path = "";
let image: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-head-"));
  path = join(folder, "pi.img");
  image = await makePi(path);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function makePi(to: string, more: Partial<ImageJson> = {}): Promise<Buffer> {
  await makeDisk(to, { image: { board: "rpi4", sizeBytes, ...more } });
  const bytes = Buffer.alloc(sizeBytes);
  (await readFile(to)).copy(bytes, mib, mib, 3 * mib);
  const partition = (number: number, type: number, from: number, end: number) => ({
    number,
    type,
    firstSector: from / sectorBytes,
    sectors: (end - from) / sectorBytes,
  });
  const partitions = [
    partition(1, mbrTypes.fat32, mib, 3 * mib),
    partition(4, mbrTypes.extended, 4 * mib, 11 * mib),
    partition(5, mbrTypes.linux, logical.rootA, 6 * mib),
    partition(6, mbrTypes.linux, logical.rootB, 11 * mib),
  ];
  for (const [sector, record] of writeMbr({ signature: "12345678", partitions }))
    record.copy(bytes, sector * sectorBytes);
  bytes.fill("system", logical.rootA, 6 * mib);
  await writeFile(to, bytes);
  return bytes;
}

async function written(from: string): Promise<Buffer> {
  const medium = new Medium(16 * mib);
  const source = await openImage(from);
  const drive = new Drive(medium.handle(), "/dev/test", 16 * mib);
  await writeImage(source, drive, { progress: silentProgress, nonce: Buffer.alloc(16, 1) });
  await source.close();
  return medium.stored;
}

test("an image with an MBR is split at its logical partitions", async () => {
  const source = await openImage(path);
  await source.close();
  expect(source.image.board).toBe("rpi4");
  const offsets = source.regions.map(({ offset }) => offset / mib);
  expect(offsets).toEqual([0, 1, 3, 5, 6, 7, 11]);
});

test("its partition records are written with the rest, and the empty slot is skipped", async () => {
  const card = await written(path);
  const same = (from: number, to: number) => card.subarray(from, to).equals(image.subarray(from, to));
  expect(same(0, mib)).toBe(true);
  // Each record is before the partition that it describes.
  expect(same(4 * mib, logical.rootB)).toBe(true);
  const { ranges } = await mapImage(path);
  expect(ranges.some(({ offset }) => offset >= logical.rootB && offset < 11 * mib)).toBe(false);
});

test.each<[string, Partial<ImageJson>, boolean]>([
  ["if image.json describes the partitions, the empty slot is skipped too", { layout }, true],
  ["if it does not, more is written and nothing is missing", {}, false],
  [
    "if its description is impossible, everything is written",
    { layout: layout.map((one) => ({ ...one, sizeBytes: 8 * mib })) },
    false,
  ],
])("from a pipe, the partition records come too late: %s", async (_, about, isLeftOut) => {
  const bytes = await makePi(join(folder, "piped.img"), about);
  await writeFile(join(folder, "piped.img.zst"), zstdCompressSync(bytes));
  const card = await written(join(folder, "piped.img.zst"));
  const [from, to] = [4 * mib, logical.rootB];
  expect(card.subarray(from, to).equals(bytes.subarray(from, to))).toBe(true);
  expect(card.subarray(logical.rootB, 11 * mib).every((byte) => byte === 0)).toBe(!isLeftOut);
});
