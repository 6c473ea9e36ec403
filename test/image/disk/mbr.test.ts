import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sectorBytes } from "../../../image/disk/gpt.ts";
import { type Mbr, mbrTypes, readMbr, signatureOf, writeMbr } from "../../../image/disk/mbr.ts";
import { run } from "../../../system/command.ts";

const mbr: Mbr = {
  signature: signatureOf("disk"),
  partitions: [
    { number: 1, type: mbrTypes.fat16, firstSector: 2048, sectors: 32_768 },
    { number: 2, type: mbrTypes.fat32, firstSector: 34_816, sectors: 2048 },
    { number: 4, type: mbrTypes.extended, firstSector: 36_864, sectors: 12_288 },
    { number: 5, type: mbrTypes.linux, firstSector: 38_912, sectors: 2048 },
    { number: 6, type: mbrTypes.linux, firstSector: 43_008, sectors: 6144 },
  ],
};

const diskOf = (table: Mbr) => {
  const sectors = writeMbr(table);
  return async (offset: number, length: number) =>
    Buffer.from(sectors.get(offset / sectorBytes) ?? Buffer.alloc(length));
};

test("reading a table returns what was written", async () => {
  expect(await readMbr(diskOf(mbr))).toEqual(mbr);
});

test("sfdisk reads the same table", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-mbr-"));
  try {
    const path = join(folder, "disk");
    await using file = await open(path, "w");
    await file.truncate(64 << 20);
    for (const [sector, bytes] of writeMbr(mbr)) await file.write(bytes, 0, bytes.length, sector * sectorBytes);
    const { partitiontable: told } = JSON.parse(await run(["/sbin/sfdisk", "--json", path]));
    expect(told).toMatchObject({ label: "dos", id: `0x${mbr.signature}` });
    expect(told.partitions).toEqual(
      mbr.partitions.map(({ number, type, firstSector, sectors }) => ({
        node: `${path}${number}`,
        start: firstSector,
        size: sectors,
        type: type.toString(16),
      })),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a blank disk, a GPT's protective table and half a sector are not an MBR", async () => {
  expect(await readMbr(async (_, length) => Buffer.alloc(length))).toBeUndefined();
  expect(await readMbr(async () => Buffer.alloc(100, 0xaa))).toBeUndefined();
  const protective = { ...mbr, partitions: [{ number: 1, type: 0xee, firstSector: 1, sectors: 99 }] };
  expect(await readMbr(diskOf(protective))).toBeUndefined();
});

test("k1-image-fuzz: a table whose chain of logical partitions loops is refused", async () => {
  const sectors = writeMbr(mbr);
  // The last record points at the first: offset 0 in the extended partition.
  const last = sectors.get(43_008 - 2048)!;
  sectors.get(36_864)!.copy(last, 446 + 16, 446 + 16, 446 + 32);
  last.writeUInt32LE(0, 446 + 16 + 8);
  const found = await readMbr(async (offset, length) => sectors.get(offset / sectorBytes) ?? Buffer.alloc(length));
  expect(found).toBeUndefined();
});

test("k1-image-fuzz: a table with overlapping partitions is refused", async () => {
  for (const number of [1, 2, 4, 5, 6]) {
    const partitions = mbr.partitions.map((one) => (one.number === number ? { ...one, sectors: 2 ** 31 } : one));
    const found = await readMbr(diskOf({ ...mbr, partitions }));
    // The last partition of its kind may have any length.
    expect(found === undefined, String(number)).toBe(![4, 6].includes(number));
  }
});
