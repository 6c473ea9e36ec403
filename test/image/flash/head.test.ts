import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Drive } from "../../../image/flash/block-device.ts";
import { mapImage } from "../../../image/flash/map.ts";
import { openImage } from "../../../image/flash/source.ts";
import { writeImage } from "../../../image/flash/write.ts";
import { sectorBytes } from "../../../image/gpt.ts";
import { mbrTypes, writeMbr } from "../../../image/mbr.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeDisk } from "../disk.ts";
import { Medium } from "./medium.ts";

const mib = 1 << 20;
const sizeBytes = 12 * mib;
/** As on a Raspberry Pi: the system lies in logical partitions, each behind a record of its own. */
const logical = { rootA: 5 * mib, rootB: 7 * mib };
let folder = "";
let path = "";
let image: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-head-"));
  path = join(folder, "pi.img");
  await makeDisk(path, { image: { board: "rpi4", sizeBytes } });
  image = Buffer.alloc(sizeBytes);
  (await readFile(path)).copy(image, mib, mib, 3 * mib);
  const partition = (number: number, type: number, from: number, to: number) => ({
    number,
    type,
    firstSector: from / sectorBytes,
    sectors: (to - from) / sectorBytes,
  });
  const partitions = [
    partition(1, mbrTypes.fat32, mib, 3 * mib),
    partition(4, mbrTypes.extended, 4 * mib, 11 * mib),
    partition(5, mbrTypes.linux, logical.rootA, 6 * mib),
    partition(6, mbrTypes.linux, logical.rootB, 11 * mib),
  ];
  for (const [sector, bytes] of writeMbr({ signature: "12345678", partitions }))
    bytes.copy(image, sector * sectorBytes);
  image.fill("system", logical.rootA, 6 * mib);
  await writeFile(path, image);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function written(from: string): Promise<Buffer> {
  const medium = new Medium(16 * mib);
  const source = await openImage(from);
  const drive = new Drive(medium.handle(), "/dev/test", 16 * mib);
  await writeImage(source, drive, { progress: silentProgress, nonce: Buffer.alloc(16, 1) });
  await source.close();
  return medium.stored;
}

test("an image with an MBR is taken apart by its logical partitions", async () => {
  const source = await openImage(path);
  await source.close();
  expect(source.image.board).toBe("rpi4");
  const offsets = source.regions.map(({ offset }) => offset / mib);
  expect(offsets).toEqual([0, 1, 3, 5, 6, 7, 11]);
});

test("its partition records arrive with the rest, and the empty slot is left out", async () => {
  const card = await written(path);
  const same = (from: number, to: number) => card.subarray(from, to).equals(image.subarray(from, to));
  expect(same(0, mib)).toBe(true);
  // The records lie before the partitions they speak of.
  expect(same(4 * mib, logical.rootB)).toBe(true);
  const { ranges } = await mapImage(path);
  expect(ranges.some(({ offset }) => offset >= logical.rootB && offset < 11 * mib)).toBe(false);
});

test("by a pipe the records come too late to look ahead, so more is written, and nothing is missing", async () => {
  await writeFile(join(folder, "pi.img.zst"), zstdCompressSync(image));
  const card = await written(join(folder, "pi.img.zst"));
  expect(card.subarray(4 * mib, 11 * mib).equals(image.subarray(4 * mib, 11 * mib))).toBe(true);
});
