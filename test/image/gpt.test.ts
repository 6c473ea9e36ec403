import { expect, test } from "vitest";
import { placePartitions } from "../../image/assemble.ts";
import { boardNamed, layoutOf } from "../../image/boards.ts";
import { guidOf, headSectors, readGpt, sectorBytes, tailSectors, writeGpt } from "../../image/gpt.ts";

const layout = layoutOf(boardNamed("nuc"));

test("what is written is read back", () => {
  const { partitions, diskBytes } = placePartitions(layout, "00".repeat(32));
  const guid = guidOf("disk");
  const { head, tail } = writeGpt(diskBytes / sectorBytes, guid, partitions);
  expect(readGpt(head)).toEqual({ diskSectors: diskBytes / sectorBytes, guid, partitions });
  expect([head.length, tail.length]).toEqual([headSectors * sectorBytes, tailSectors * sectorBytes]);
});

test("partitions follow each other on whole MiB, fit on the disk, and have GUIDs that follow from the content", () => {
  const { partitions, diskBytes } = placePartitions(layout, "00".repeat(32));
  let next = 0;
  for (const { firstSector, sectors } of partitions) {
    expect(firstSector).toBeGreaterThanOrEqual(next);
    expect((firstSector * sectorBytes) % 2 ** 20).toBe(0);
    next = firstSector + sectors;
  }
  expect((next + tailSectors) * sectorBytes).toBeLessThanOrEqual(diskBytes);
  expect(new Set(partitions.map(({ guid }) => guid)).size).toBe(partitions.length);
  expect(placePartitions(layout, "00".repeat(32)).partitions).toEqual(partitions);
  expect(placePartitions(layout, "11".repeat(32)).partitions[0]!.guid).not.toBe(partitions[0]!.guid);
});

test("a table with one wrong bit is none", () => {
  const { partitions, diskBytes } = placePartitions(layout, "00".repeat(32));
  const { head } = writeGpt(diskBytes / sectorBytes, guidOf("disk"), partitions);
  for (const at of [sectorBytes, sectorBytes + 24, sectorBytes + 88, 2 * sectorBytes, 2 * sectorBytes + 130]) {
    const bad = Buffer.from(head);
    bad[at] = bad[at]! ^ 1;
    expect(readGpt(bad)).toBeUndefined();
  }
  expect(readGpt(head.subarray(0, 4000))).toBeUndefined();
});

test("the same text gives the same GUID, of version 8", () => {
  expect(guidOf("attic")).toBe(guidOf("attic"));
  expect(guidOf("attic")).not.toBe(guidOf("cellar"));
  expect(guidOf("attic")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("a board that nobody makes images for is refused with the boards there are", () => {
  expect(() => boardNamed("toaster")).toThrow(
    expect.objectContaining({ code: "usage.invalid", hint: expect.stringContaining("nuc") }),
  );
});
