// Pieces on disk: bounded, cleaned, and never lent in another state than they came.
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openShelf, type ShelfOptions } from "../../../agent/swarm/shelf.ts";

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "hamlet-shelf-")), "pieces");
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

const keyOf = (digit: number): string => `o-${`${digit}`.repeat(64)}`;
const open = (options: Partial<ShelfOptions> = {}) => openShelf({ folder, now: Date.now, spareBytes: 0, ...options });

test("a piece is there after a restart, byte for byte", async () => {
  const bytes = Buffer.from("a piece");
  await (await open()).put(keyOf(1), bytes);
  const again = await open();
  expect(again.has(keyOf(1))).toBe(true);
  expect(await again.get(keyOf(1))).toEqual(bytes);
  expect(await again.get(keyOf(2))).toBeUndefined();
});

test.each([
  ["a changed byte", (file: Buffer) => Buffer.from(file.fill("x", 33, 34))],
  ["a missing end", (file: Buffer) => file.subarray(0, -1)],
  ["nothing but its digest", (file: Buffer) => file.subarray(0, 32)],
  ["nothing", () => Buffer.alloc(0)],
])("a piece that a worn card left with %s is gone", async (_, damage) => {
  const shelf = await open();
  await shelf.put(keyOf(1), Buffer.from("a piece"));
  const path = join(folder, keyOf(1));
  writeFileSync(path, damage(readFileSync(path)));
  expect(await shelf.get(keyOf(1))).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test("what was used last stays when room runs out", async () => {
  const shelf = await open({ maxBytes: 1_000 });
  for (const digit of [1, 2, 3]) await shelf.put(keyOf(digit), Buffer.alloc(200));
  await shelf.get(keyOf(1));
  for (const digit of [4, 5]) await shelf.put(keyOf(digit), Buffer.alloc(200));
  expect([1, 2, 3, 4, 5].map((digit) => shelf.has(keyOf(digit)))).toEqual([true, false, true, true, true]);
  expect(readdirSync(folder)).toHaveLength(4);
  const few = await open({ maxPieces: 2 });
  await few.put(keyOf(6), Buffer.alloc(1));
  expect(readdirSync(folder)).toHaveLength(2);
});

test("a disk that is nearly full takes no piece, nor does a shelf one that would empty it", async () => {
  const shelf = await open({ spareBytes: Number.MAX_SAFE_INTEGER });
  await shelf.put(keyOf(1), Buffer.alloc(10));
  await (await open({ maxBytes: 1_000 })).put(keyOf(2), Buffer.alloc(900));
  expect(readdirSync(folder)).toEqual([]);
});

test("without a folder it keeps nothing, and says so by having nothing", async () => {
  const shelf = await openShelf({ folder: "/dev/null/pieces", now: Date.now, spareBytes: 0 });
  await shelf.put(keyOf(1), Buffer.alloc(10));
  expect(await shelf.get(keyOf(1))).toBeUndefined();
  await shelf.tidy();
});

test("after eight days a piece is removed, and files that are none are left alone", async () => {
  const shelf = await open();
  for (const digit of [1, 2]) await shelf.put(keyOf(digit), Buffer.alloc(10));
  const longAgo = Date.now() / 1000 - 9 * 24 * 3600;
  utimesSync(join(folder, keyOf(1)), longAgo, longAgo);
  writeFileSync(join(folder, "notes"), "");
  await shelf.tidy();
  expect(readdirSync(folder).toSorted()).toEqual(["notes", keyOf(2)].toSorted());
  expect((await open()).has("notes")).toBe(false);
});
