// What the initrd keeps of starts that went wrong, as the updater reads it.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { panicLines } from "../../../image/boot/panic-lines.ts";
import { startMarksIn } from "../../../image/boot/start-marks.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-marks-"));
});
afterEach(() => rmSync(folder, { recursive: true }));
const put = (path: string, text: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};
const piece = (seconds: number, part: number, text: string) => ({
  name: `dmesg-efi_pstore-${(seconds * 100 + part) * 1000 + 1}`,
  text: `Panic#1 Part${part}\n${text}`,
});

test("the pieces of a panic are put together, the oldest first and without priorities", () => {
  const pieces = [
    piece(1_700_000_000, 1, "<0>[    3.0] Kernel panic - not syncing\n"),
    piece(1_700_000_000, 3, "<6>[    1.0] one\n"),
    piece(1_700_000_000, 2, "<6>[    1.5] two\n<6>[    2.0] three\n"),
    piece(1_600_000_000, 1, "<0>[    9.0] an older panic\n"),
    { name: "dmesg-efi_pstore-170000000100101001", text: "Oops#1 Part1\n<0>[    5.0] no panic\n" },
  ];
  const lines = ["[    1.0] one", "[    1.5] two", "[    2.0] three", "[    3.0] Kernel panic - not syncing"];
  expect(panicLines(pieces)).toEqual(lines);
  expect(panicLines([])).toEqual([]);
});

test("a panic's log is bounded", () => {
  const lines = panicLines([piece(1, 1, `${"x".repeat(1000)}\n`.repeat(500))]);
  expect(lines).toHaveLength(200);
  expect(new Set(lines)).toEqual(new Set(["x".repeat(400)]));
});

test("the newest panic of a slot is read, and forgotten with the others", async () => {
  const marks = startMarksIn(folder);
  expect(await marks.panicOf("b")).toBeUndefined();
  put("panics/b/1/dmesg-1", "Panic#1 Part1\n<0>first\n");
  put("panics/b/2/dmesg-1", "Panic#1 Part1\n<0>second\n");
  put("panics/a/1/dmesg-1", "Panic#1 Part1\n<0>other slot\n");
  expect(await marks.panicOf("b")).toEqual(["second"]);
  await marks.forgetPanics("b");
  expect(await marks.panicOf("b")).toBeUndefined();
  expect(await marks.panicOf("a")).toEqual(["other slot"]);
});

test("a note that cannot be read says nothing, and is removed like any other", async () => {
  const marks = startMarksIn(folder);
  expect(await marks.rescued()).toBeUndefined();
  for (const text of ["", "{}", '{"slot":"c","version":"1","because":"panics"}', "\0\0"]) {
    put("rescued.json", text);
    expect(await marks.rescued()).toBeUndefined();
  }
  put("rescued.json", '{"slot":"b","version":"1.1","because":"panics"}\n');
  expect(await marks.rescued()).toEqual({
    ...{ slot: "b", version: "1.1", because: "panics" },
    atMs: expect.any(Number),
  });
  await marks.forgetRescue();
  expect(existsSync(join(folder, "rescued.json"))).toBe(false);
});
