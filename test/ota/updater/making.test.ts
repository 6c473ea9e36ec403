// Making the bytes of a step: a seed that does not read or has a wrong byte costs a chunk, never the update.
import { beforeEach, expect, test } from "vitest";
import type { Part } from "../../../ota/format/manifest.ts";
import type { Step } from "../../../ota/format/recipe.ts";
import type { ObjectRef } from "../../../ota/updater/agent-door.ts";
import { makeAhead, makeStep, type Sources } from "../../../ota/updater/making.ts";
import { type PlacedStep, planParts, stepsCovering } from "../../../ota/updater/plan.ts";
import { HamletError } from "../../../system/error.ts";
import { noise, sha256 } from "./repository.ts";

const content = noise("part", 50_000);
const objects = new Map<string, Buffer>();
const chunk = (bytes: Buffer): Step => {
  objects.set(sha256(bytes), bytes);
  return { kind: "chunk", length: bytes.length, sha256: sha256(bytes) };
};
const part: Part = { name: "root", sizeBytes: content.length, sha256: sha256(content), places: [] };
/** Chunks end elsewhere than the steps below. */
const plans = planParts([part], {
  steps: [0, 15_000, 30_000, 45_000].map((at) => chunk(content.subarray(at, Math.min(at + 15_000, content.length)))),
});
const [firstChunk] = plans[0]!.steps;

let fetched: string[] = [];
let slept: number[] = [];
let failures: HamletError[] = [];
let old: Buffer | undefined;
const sources: Sources = {
  readOld: async (_, offset, length) => old && Buffer.from(old.subarray(offset, offset + length)),
  async fetch({ sha256: name }: ObjectRef): Promise<Buffer> {
    const failure = failures.shift();
    if (failure) throw failure;
    fetched.push(name);
    return Buffer.from(objects.get(name)!);
  },
  wholeSteps: async (at, length) => stepsCovering(plans, at, length),
  sleep: async (ms) => void slept.push(ms),
  random: () => 0.5,
  unpack: {
    make: async () => undefined,
    giveUp() {},
  },
};
beforeEach(() => {
  [fetched, slept, failures, old] = [[], [], [], undefined];
});

/** Bytes 10,000 to 40,000, from place 700 of the older release. */
const wanted = content.subarray(10_000, 40_000);
const copy: PlacedStep = {
  ...{ kind: "copy", length: wanted.length, sha256: sha256(wanted), at: 10_000, offset: 10_000 },
  from: { part: "root", offset: 700, length: wanted.length },
};

test("bytes of the older release are taken if they are right", async () => {
  old = Buffer.concat([Buffer.alloc(700), wanted]);
  expect((await makeStep(copy, sources)).equals(wanted)).toBe(true);
  expect(fetched).toEqual([]);
});

test.each([
  ["does not read", () => undefined],
  ["ends too early", () => Buffer.concat([Buffer.alloc(700), wanted.subarray(0, 20_000)])],
  [
    "has a wrong byte",
    () => {
      const bytes = Buffer.concat([Buffer.alloc(700), wanted]);
      bytes[20_000]! ^= 1;
      return bytes;
    },
  ],
])("an older release that %s is replaced by the chunks that cover the step", async (_, seed) => {
  old = seed();
  expect((await makeStep(copy, sources)).equals(wanted)).toBe(true);
  expect(fetched).toEqual([...plans[0]!.steps].slice(0, 3).map(({ sha256: name }) => name));
});

test("a packed step whose pack is lost is made of chunks", async () => {
  const { kind: _, ...rest } = copy;
  const packed: PlacedStep = {
    ...rest,
    kind: "packed",
    pack: { offset: 0, length: 10 },
    from: { part: "root", offset: 0, length: 9 },
  };
  const without = { ...sources, unpack: { make: async () => undefined, giveUp() {} } };
  expect((await makeStep(packed, without)).equals(wanted)).toBe(true);
  expect(fetched).toEqual([...plans[0]!.steps].slice(0, 3).map(({ sha256: name }) => name));
});

test("places of the older release are cleared, whatever slot it ran in", async () => {
  const line = (slot: string) =>
    Buffer.from(`quiet hamlet.slot=${slot} hamlet.disk=${slot === "\0" ? "\0".repeat(8) : "12ab34cd"}`);
  const signed = line("\0");
  const step: PlacedStep = {
    ...{ kind: "copy", length: signed.length, sha256: sha256(signed), at: 0, offset: 0 },
    from: { part: "kernel", offset: 0, length: signed.length },
  };
  old = line("a");
  expect((await makeStep(step, sources)).equals(signed)).toBe(true);
  expect(fetched).toEqual([]);
});

test("recipes that contradict each other are refused", async () => {
  await expect(makeStep({ ...copy, sha256: sha256(Buffer.from("else")) }, sources)).rejects.toMatchObject({
    code: "update.badRecipe",
  });
});

test("failures that pass are waited for, longer each time; others end the attempt", async () => {
  const step = firstChunk;
  failures = ["update.unreachable", "update.agentSilent", "update.badObject"].map(
    (code) => new HamletError(code as "update.unreachable", ""),
  );
  expect(await makeStep(step!, sources)).toEqual(content.subarray(0, 15_000));
  expect(slept).toEqual([750, 1_500, 3_000]);
  failures = Array.from({ length: 20 }, () => new HamletError("update.unreachable", ""));
  await expect(makeStep(step!, sources)).rejects.toMatchObject({ code: "update.unreachable" });
  failures = [new HamletError("update.notThere", "")];
  await expect(makeStep(step!, sources)).rejects.toMatchObject({ code: "update.notThere" });
});

test("a few steps are made at a time, and come in order", async () => {
  let [underWay, most] = [0, 0];
  const ends: (() => void)[] = [];
  const make = async ({ offset }: PlacedStep) => {
    underWay += 1;
    most = Math.max(most, underWay);
    // The later ones are ready first.
    if (ends.length < 3) await new Promise<void>((resolve) => ends.unshift(resolve));
    else for (const end of ends) end();
    underWay -= 1;
    return Buffer.from(String(offset));
  };
  const steps = Array.from({ length: 12 }, (_, offset): PlacedStep => ({ ...firstChunk!, offset }));
  const order: string[] = [];
  for await (const { bytes } of makeAhead(steps, make)) order.push(bytes.toString());
  expect(order).toEqual(steps.map(({ offset }) => String(offset)));
  expect(most).toBe(4);
});
