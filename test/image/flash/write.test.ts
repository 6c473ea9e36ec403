import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mapImage } from "../../../image/assemble/map.ts";
import type { Bmap } from "../../../image/disk/bmap.ts";
import { headSectors, readGpt, sectorBytes } from "../../../image/disk/gpt.ts";
import { Drive } from "../../../image/flash/block-device.ts";
import { openImage } from "../../../image/flash/source.ts";
import { type CardState, writeImage } from "../../../image/flash/write.ts";
import { silentProgress } from "../../../system/progress.ts";
import { imageBytes, makeImage, places } from "./image.ts";
import { type Entry, type Faults, Medium } from "./medium.ts";

const mib = 1 << 20;
const cardBytes = 16 * mib;
let folder = "";
let path = "";
let image: Buffer;
let bmap: Bmap;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-write-"));
  path = join(folder, "image.img");
  image = await makeImage(path);
  bmap = await mapImage(path);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Outcome = { states: CardState[]; error: unknown };

type Options = { bmap?: Bmap; signal?: AbortSignal; from?: string };
async function write(medium: Medium, { from = path, ...options }: Options = {}): Promise<Outcome> {
  const states: CardState[] = [];
  const source = await openImage(from);
  const drive = new Drive(medium.handle(), "/dev/test", medium.sizeBytes);
  const error = await writeImage(source, drive, {
    progress: silentProgress,
    nonce: Buffer.alloc(16, 7),
    onState: (state) => states.push(state),
    ...options,
  }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  await source.close();
  return { states, error };
}

const table = (card: Buffer) => readGpt(card.subarray(0, headSectors * sectorBytes));
const isBlank = (card: Buffer) => card.subarray(0, mib).every((byte) => byte === 0);

test.each([
  ["with a map", true],
  ["without a map", false],
])("%s, the card holds everything that the image needs", async (_, withMap) => {
  const medium = new Medium(cardBytes);
  const { states, error } = await write(medium, withMap ? { bmap } : {});
  expect(error).toBeUndefined();
  expect(states.at(-1)).toEqual({ card: "complete" });
  const card = medium.stored;
  const same = (from: number, to: number) => card.subarray(from, to).equals(image.subarray(from, to));
  expect(same(0, places.esp)).toBe(true);
  expect(same(places.rootA, places.rootB)).toBe(true);
  // The zeros before the first used block of a used partition were written over the card's old content.
  expect(same(places.data, places.end)).toBe(true);
  expect(same(places.end, imageBytes)).toBe(true);
});

test("the empty slot and the free clusters of the FAT are not written", async () => {
  const medium = new Medium(cardBytes);
  await write(medium, { bmap });
  const untouched = medium.stored.subarray(places.rootB, places.data);
  // A few marks of the search for the true size are there.
  const blocks = Array.from({ length: untouched.length / 4096 }, (_, at) => untouched[at * 4096 + 100]);
  expect(blocks.filter((byte) => byte === 0xa5).length).toBeGreaterThan(blocks.length * 0.95);
  expect(bmap.ranges.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(9 * mib);
});

test("an old partition table is erased before anything else is written", async () => {
  const medium = new Medium(cardBytes);
  image.copy(medium.stored);
  await write(medium);
  const [first, second] = medium.log;
  expect(first).toMatchObject({ offset: 0 });
  expect((first as { bytes: Buffer }).bytes.equals(Buffer.alloc(mib))).toBe(true);
  expect(second).toBe("flush");
});

test.each<[string, Faults, string]>([
  ["is pulled out during the write", { vanishAfterBytes: 7 * mib }, "flash.deviceFailed"],
  ["is pulled out at once", { vanishAfterBytes: 4096 }, "flash.deviceFailed"],
  ["has a bad sector", { badAt: places.rootA + 5000 }, "flash.deviceFailed"],
  ["loses writes on flush", { losesOnFlush: true }, "flash.deviceFailed"],
  ["returns a flipped bit", { rottenAt: places.rootA + 70_000 }, "flash.verifyFailed"],
  ["wraps around at half of its size", { realBytes: 8 * mib, beyond: "wraps" }, "flash.lyingSize"],
  ["drops writes beyond its true end", { realBytes: 13 * mib, beyond: "drops" }, "flash.lyingSize"],
])("a card that %s is never one that looks fine", async (_, faults, code) => {
  const medium = new Medium(cardBytes, faults);
  const { states, error } = await write(medium);
  expect(error).toMatchObject({ code });
  expect(states.at(-1)?.card).not.toBe("complete");
  expect(table(medium.stored)).toBeUndefined();
});

test("a card that wraps between the marks is detected by reading back", async () => {
  const medium = new Medium(cardBytes, { realBytes: 11 * mib + 4096 * 3, beyond: "wraps" });
  const { error } = await write(medium);
  expect(["flash.lyingSize", "flash.verifyFailed"]).toContain((error as { code: string }).code);
  expect(table(medium.stored)).toBeUndefined();
});

test("a worn card that keeps its old content is never called blank", async () => {
  const medium = new Medium(cardBytes, { isWornOut: true });
  image.copy(medium.stored);
  const { states, error } = await write(medium);
  expect(error).toMatchObject({ code: "flash.verifyFailed" });
  expect(states.map(({ card }) => card)).toEqual(["unknown"]);
});

test("a flipped bit in the table itself is detected before anything else is written", async () => {
  const medium = new Medium(cardBytes, { rottenAt: 600 });
  const { states, error } = await write(medium);
  expect(error).toMatchObject({ code: "flash.verifyFailed" });
  expect(isBlank(medium.stored)).toBe(true);
  expect(states.at(-1)).toEqual({ card: "unknown" });
});

test("a flipped bit in the table's backup leaves a blank card", async () => {
  const medium = new Medium(cardBytes, { rottenAt: imageBytes - 600 });
  const { states, error } = await write(medium);
  expect(error).toMatchObject({ code: "flash.verifyFailed" });
  expect(isBlank(medium.stored)).toBe(true);
  expect(states.at(-1)).toMatchObject({ card: "blank" });
});

test("a failed verification names the position", async () => {
  const { error } = await write(new Medium(cardBytes, { rottenAt: places.rootA + 70_000 }));
  expect((error as Error).message).toContain(`between byte ${places.rootA} and`);
});

test("even for a compressed image, the error says whether the card failed or the image does not match its map", async () => {
  const from = join(folder, "image.img.zst");
  await writeFile(from, zstdCompressSync(image));
  const rotten = new Medium(cardBytes, { rottenAt: places.rootA + 70_000 });
  expect((await write(rotten, { from, bmap })).error).toMatchObject({ code: "flash.verifyFailed" });
  const changed = Buffer.from(image);
  changed[places.rootA + 70_000]! ^= 1;
  await writeFile(from, zstdCompressSync(changed));
  const medium = new Medium(cardBytes);
  const { states, error } = await write(medium, { from, bmap });
  expect(error).toMatchObject({ code: "image.damaged", message: expect.stringContaining(`at byte ${places.rootA}`) });
  expect(isBlank(medium.stored)).toBe(true);
  expect(states.at(-1)).toMatchObject({ card: "blank" });
});

test("stopping the write reports how much was written and leaves a blank card", async () => {
  const stop = new AbortController();
  const medium = new Medium(cardBytes);
  const states: CardState[] = [];
  const source = await openImage(path);
  const drive = new Drive(medium.handle(), "/dev/test", cardBytes);
  const writing = writeImage(source, drive, {
    progress: { ...silentProgress, at: (done) => done >= 5 * mib && stop.abort() },
    nonce: Buffer.alloc(16, 7),
    signal: stop.signal,
    onState: (state) => states.push(state),
  });
  await expect(writing).rejects.toThrow();
  await source.close();
  const last = states.at(-1);
  expect(last).toMatchObject({ card: "blank", totalBytes: imageBytes });
  expect(last?.card === "blank" && last.writtenBytes).toBeGreaterThan(2 * mib);
  expect(isBlank(medium.stored)).toBe(true);
});

test.each([
  ["an image", async () => path],
  [
    "a compressed image",
    async () => {
      const packed = join(folder, "packed.img.zst");
      await writeFile(packed, zstdCompressSync(image));
      return packed;
    },
  ],
])("%s that does not match its map leaves a blank card", async (_, source) => {
  const wrong = bmap.ranges.map((range) =>
    range.offset === places.rootA ? { ...range, sha256: "0".repeat(64) } : range,
  );
  const medium = new Medium(cardBytes);
  const { error } = await write(medium, { bmap: { ...bmap, ranges: wrong }, from: await source() });
  expect(error).toMatchObject({ code: "image.damaged" });
  expect(isBlank(medium.stored)).toBe(true);
});

test("after a power cut at any write, the card is unchanged, has no table, or is complete", async () => {
  const medium = new Medium(imageBytes + 4 * mib);
  const { error } = await write(medium);
  expect(error).toBeUndefined();
  checkEveryCut(medium.log, imageBytes + 4 * mib);
});

test("the same holds for a card of exactly the image's length, whose last sectors hold the table's backup", async () => {
  const medium = new Medium(imageBytes);
  const { error } = await write(medium, { bmap });
  expect(error).toBeUndefined();
  checkEveryCut(medium.log, imageBytes);
});

/** Flushed writes are on the card; any of the later ones may be there too, in full or in part. */
function checkEveryCut(log: readonly Entry[], sizeBytes: number): void {
  const old = Buffer.alloc(sizeBytes, 0x11);
  image.subarray(0, headSectors * sectorBytes).copy(old);
  let durable = Buffer.from(old);
  let pending: Exclude<Entry, "flush">[] = [];
  let cuts = 0;
  let complete = 0;
  const judge = (card: Buffer) => {
    cuts++;
    if (card.equals(old)) return;
    const backup = card.subarray(sizeBytes - sectorBytes, sizeBytes - sectorBytes + 8).toString("latin1");
    if (table(card) === undefined && backup !== "EFI PART") return;
    complete++;
    for (const { offset, length } of bmap.ranges) {
      if (offset < mib || offset >= imageBytes - mib) continue;
      expect(card.subarray(offset, offset + length).equals(image.subarray(offset, offset + length))).toBe(true);
    }
  };
  for (const entry of log) {
    if (entry !== "flush") {
      pending.push(entry);
      continue;
    }
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: pending.length, maxLength: pending.length }),
        (parts) => {
          const card = Buffer.from(durable);
          pending.forEach(({ offset, bytes }, index) => {
            const kept = Math.round((bytes.length * parts[index]!) / sectorBytes) * sectorBytes;
            bytes.copy(card, offset, 0, kept);
          });
          judge(card);
        },
      ),
      { numRuns: 6 },
    );
    durable = Buffer.from(durable);
    for (const { offset, bytes } of pending) bytes.copy(durable, offset);
    pending = [];
    judge(durable);
  }
  // The check saw every case, and at the end the card is complete.
  expect(cuts).toBeGreaterThan(20);
  expect(complete).toBeGreaterThan(0);
  expect(table(durable)).toBeDefined();
}
