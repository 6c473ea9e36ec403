import { expect, test } from "vitest";
import { boardNamed } from "../../../image/boards.ts";
import {
  espType,
  guidOf,
  headSectors,
  linuxType,
  readGpt,
  sectorBytes,
  tailSectors,
  writeGpt,
} from "../../../image/disk/gpt.ts";

const diskSectors = 204_800;
const partitions = [
  { label: "esp", type: espType, guid: guidOf("esp"), firstSector: 2048, sectors: 8192 },
  { label: "data", type: linuxType, guid: guidOf("data"), firstSector: 10_240, sectors: 2048 },
];

test("reading a table returns what was written", () => {
  const guid = guidOf("disk");
  const { head, tail } = writeGpt(diskSectors, guid, partitions);
  expect(readGpt(head)).toEqual({ diskSectors, guid, partitions });
  expect([head.length, tail.length]).toEqual([headSectors * sectorBytes, tailSectors * sectorBytes]);
});

test("a table with one wrong bit is refused", () => {
  const { head } = writeGpt(diskSectors, guidOf("disk"), partitions);
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

test("an unknown board is refused, and the error lists the known ones", () => {
  expect(() => boardNamed("toaster")).toThrow(
    expect.objectContaining({ code: "usage.invalid", hint: expect.stringContaining("nuc") }),
  );
});
