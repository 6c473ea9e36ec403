import { expect, test } from "vitest";
import { placePartitions, tableWrites } from "../../../image/assemble/placement.ts";
import { boardNamed, boardNames, layoutOf } from "../../../image/boards.ts";
import { readGpt, sectorBytes, tailSectors } from "../../../image/disk/gpt.ts";
import { readMbr } from "../../../image/disk/mbr.ts";

const inputs = "00".repeat(32);
const layoutNamed = (name: string) => layoutOf(boardNamed(name));
/** A disk that holds only a partition table. */
const diskOf = (name: string, from = inputs) => {
  const writes = tableWrites(layoutNamed(name), placePartitions(layoutNamed(name)), from);
  return async (offset: number, length: number) => {
    const bytes = Buffer.alloc(length);
    for (const one of writes) {
      const start = Math.max(offset, one.offset);
      const end = Math.min(offset + length, one.offset + one.bytes.length);
      if (start < end) one.bytes.copy(bytes, start - offset, start - one.offset, end - one.offset);
    }
    return bytes;
  };
};

test.each(boardNames)("%s: partitions follow each other on whole MiB and fit on the disk", (name) => {
  const { partitions, diskBytes } = placePartitions(layoutNamed(name));
  let next = 0;
  for (const { firstSector, sectors } of partitions) {
    expect(firstSector).toBeGreaterThanOrEqual(next);
    expect((firstSector * sectorBytes) % 2 ** 20).toBe(0);
    next = firstSector + sectors;
  }
  const tail = layoutNamed(name).table === "gpt" ? tailSectors : 0;
  expect((next + tail) * sectorBytes).toBeLessThanOrEqual(diskBytes);
});

test("a GPT lists every partition by label, with GUIDs derived from the content", async () => {
  const read = async (from: string) => readGpt(await diskOf("nuc", from)(0, 34 * sectorBytes))!;
  const { partitions } = await read(inputs);
  expect(partitions.map(({ label }) => label)).toEqual(["esp", "root-a", "verity-a", "root-b", "verity-b", "data"]);
  expect(new Set(partitions.map(({ guid }) => guid)).size).toBe(partitions.length);
  expect(await read(inputs)).toEqual(await read(inputs));
  expect((await read("11".repeat(32))).partitions[0]!.guid).not.toBe(partitions[0]!.guid);
});

test("an MBR has three FAT partitions and an extended partition that ends with its last logical one", async () => {
  const { partitions, signature } = (await readMbr(diskOf("rpi4")))!;
  expect(partitions.map(({ number, type }) => `${number}:${type.toString(16)}`)).toEqual(
    ["1:e", "2:c", "3:c", "4:f"].concat([5, 6, 7, 8, 9].map((number) => `${number}:83`)),
  );
  const [extended, data] = [partitions[3]!, partitions.at(-1)!];
  expect(data.firstSector + data.sectors).toBe(extended.firstSector + extended.sectors);
  expect((await readMbr(diskOf("rpi4", "11".repeat(32))))!.signature).not.toBe(signature);
});
