// Steps made from a pack, whatever the agent answers.
import { hash } from "node:crypto";
import { expect, test } from "vitest";
import { makeStep, type Sources } from "../../../ota/updater/making.ts";
import { makeUnpack, type UnpackDoors } from "../../../ota/updater/packed-step.ts";
import type { PlacedStep } from "../../../ota/updater/plan.ts";
import { HamletError } from "../../../system/error.ts";

const content = Buffer.from("new bytes");
const step: PlacedStep & { kind: "packed" } = {
  ...{ kind: "packed", length: content.length, sha256: hash("sha256", content, "hex"), at: 0, offset: 0 },
  ...{ pack: { offset: 10, length: 20 }, from: { part: "root", offset: 100, length: 50 } },
};
const fails = (code: HamletError["code"]) => async () => {
  throw new HamletError(code, "");
};

function bench(change: Partial<UnpackDoors> = {}, fetch: Sources["fetch"] = async () => content) {
  const counts = { frames: 0, chunks: 0, lost: 0 };
  const doors: UnpackDoors = {
    pack: { sha256: "", sizeBytes: 100 },
    readOld: async (_, __, length) => Buffer.alloc(length),
    fetchPacked: async () => content,
    insteadBytes: () => 1_000,
    onLost: () => void counts.lost++,
    ...change,
  };
  const unpack = makeUnpack({
    ...doors,
    async fetchPacked(...request) {
      counts.frames += 1;
      return doors.fetchPacked(...request);
    },
  });
  const sources: Sources = {
    ...{ unpack, readOld: doors.readOld, sleep: async () => {}, random: () => 0 },
    async fetch(ref) {
      counts.chunks += 1;
      return fetch(ref);
    },
    wholeSteps: async () => [{ ...step, kind: "chunk" } as PlacedStep],
  };
  return { counts, make: () => makeStep(step, sources) };
}

test("the agent gets the dictionary, the frame's place and what the rest would cost without the pack", async () => {
  const asked: unknown[] = [];
  const { make, counts } = bench({
    async fetchPacked(request, dictionary) {
      asked.push(request, dictionary.length);
      return content;
    },
  });
  expect(await make()).toEqual(content);
  const { sha256, length } = step;
  const pack = { sha256: "", sizeBytes: 100 };
  expect(asked).toEqual([{ pack, frame: step.pack, sha256, sizeBytes: length, insteadBytes: 1_000 }, 50]);
  expect(counts).toEqual({ frames: 1, chunks: 0, lost: 0 });
});

test.each(["update.noRanges", "update.notThere"] as const)("after %s nobody asks for the pack again", async (code) => {
  const { make, counts } = bench({ fetchPacked: fails(code) });
  for (const _ of [1, 2]) expect(await make()).toEqual(content);
  expect(counts).toEqual({ frames: 1, chunks: 2, lost: 1 });
});

test("wrong bytes cost one step its chunk, and eight such steps in a row end the use of the pack", async () => {
  const { make, counts } = bench({ fetchPacked: fails("update.badObject") });
  for (let count = 0; count < 10; count++) expect(await make()).toEqual(content);
  expect(counts).toEqual({ frames: 8, chunks: 10, lost: 1 });
});

test.each<[string, Buffer | undefined]>([
  ["does not read", undefined],
  ["ends too early", Buffer.alloc(49)],
])("an older release that %s costs chunks", async (_, old) => {
  const { make, counts } = bench({ readOld: async () => old });
  expect(await make()).toEqual(content);
  expect(counts).toMatchObject({ frames: 0, chunks: 1 });
});

test("a line that is down ends the attempt, and not the use of the pack", async () => {
  const { make, counts } = bench({ fetchPacked: fails("update.unreachable") }, fails("update.unreachable"));
  await expect(make()).rejects.toMatchObject({ code: "update.unreachable" });
  expect(counts).toEqual({ frames: 7, chunks: 7, lost: 0 });
});

test("a pack that cannot be had while chunks can is given up", async () => {
  const { make, counts } = bench({ fetchPacked: fails("update.unreachable") });
  for (const _ of [1, 2]) expect(await make()).toEqual(content);
  expect(counts).toEqual({ frames: 7, chunks: 2, lost: 1 });
});

test.each(["update.metered", "update.outsideWindow", "update.tooDear", "update.noRepository"] as const)(
  "%s is no reason to fetch chunks",
  async (code) => {
    const { make, counts } = bench({ fetchPacked: fails(code) });
    await expect(make()).rejects.toMatchObject({ code });
    expect(counts).toEqual({ frames: 1, chunks: 0, lost: 0 });
  },
);
