// Chunks that are lent from a slot, at the places that a recipe names, and never other bytes than were asked for.
import { hash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeSlots } from "../../../agent/swarm/slots.ts";
import { unpackObject } from "../../../ota/format/unpack.ts";
import { systemClock } from "../../../system/clock.ts";

const chunks = [randomBytes(5_000), Buffer.alloc(70_000, "text "), randomBytes(9_000)];
const names = chunks.map((chunk) => ({ sha256: hash("sha256", chunk), sizeBytes: chunk.length }));
const offsets = [0, 5_000, 75_000];

let folder: string;
let paths: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-slots-"));
  paths = ["root-a", "root-b"].map((name) => join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true }));

const places = async () => (sha256: string) => offsets[names.findIndex((name) => name.sha256 === sha256)];
const open = (now = () => 0) => makeSlots({ paths, places, clock: { ...systemClock, monotonic: now } });
async function expectChunk(slots: ReturnType<typeof open>, index: number): Promise<void> {
  const frame = await slots.chunk(names[index]!, "cellar");
  expect(await unpackObject(frame!, names[index]!)).toEqual(chunks[index]);
}

test("a chunk comes from the slot that has it, as a repository would send it", async () => {
  writeFileSync(paths[0]!, randomBytes(100_000));
  writeFileSync(paths[1]!, Buffer.concat(chunks));
  const slots = open();
  for (const index of [0, 1, 2]) await expectChunk(slots, index);
});

test("of a slot that is being written, what is there already is lent", async () => {
  writeFileSync(paths[1]!, Buffer.concat([chunks[0]!, chunks[1]!, Buffer.alloc(9_000)]));
  const slots = open();
  await expectChunk(slots, 0);
  await expectChunk(slots, 1);
  expect(await slots.chunk(names[2]!, "cellar")).toBeUndefined();
});

test("a wrong byte, a short slot and one that does not read are not lent", async () => {
  const damaged = Buffer.concat(chunks);
  damaged[3]! ^= 1;
  writeFileSync(paths[0]!, damaged.subarray(0, 80_000));
  const slots = open();
  expect(await slots.chunk(names[0]!, "cellar")).toBeUndefined();
  await expectChunk(slots, 1);
  expect(await slots.chunk(names[2]!, "cellar")).toBeUndefined();
  rmSync(paths[0]!);
  expect(await slots.chunk(names[1]!, "cellar")).toBeUndefined();
});

test("who asks for what no slot has keeps the disk busy for a moment only, and costs others nothing", async () => {
  writeFileSync(paths[0]!, Buffer.concat([Buffer.alloc(5_000), chunks[1]!]));
  let now = 0;
  const slots = open(() => now);
  for (let count = 0; count < 64; count++) expect(await slots.chunk(names[0]!, "cellar")).toBeUndefined();
  expect(await slots.chunk(names[1]!, "cellar")).toBeUndefined();
  expect(await slots.chunk(names[1]!, "kitchen")).toBeDefined();
  now += 1_000;
  await expectChunk(slots, 1);
});
