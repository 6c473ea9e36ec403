// What an update costs the network.
import { expect, test } from "vitest";
import type { Step } from "../../../ota/format/recipe.ts";
import { countCost } from "../../../ota/updater/cost.ts";

const sha256 = "";
const from = { part: "root", offset: 0, length: 1_000_000 } as const;
let at = 0;
const placed = (step: Step) => ({ ...step, at: at++ });
const chunk = () => placed({ kind: "chunk", sha256, length: 1_000_000 });
const copy = () => placed({ kind: "copy", sha256, length: 1_000_000, from });
const packed = () => placed({ kind: "packed", sha256, length: 1_000_000, from, pack: { offset: 0, length: 10_000 } });

test("copies cost nothing, and a frame costs its length and the exchange", () => {
  const cost = countCost();
  cost.carried(3_000);
  cost.expect([copy(), packed(), packed()]);
  expect(cost.soFar()).toEqual({ fetchedBytes: 3_000, forecastBytes: 3_000 + 2 * 10_500 });
});

test("chunks are expected to compress like those that came before", () => {
  const cost = countCost();
  const steps = Array.from({ length: 20 }, chunk);
  cost.expect(steps);
  expect(cost.soFar().forecastBytes).toBe(8_000_000);
  for (const step of steps.slice(0, 10)) {
    cost.carried(200_000);
    cost.chunkCame(1_000_000, 200_000);
    cost.done(step);
  }
  expect(cost.soFar().fetchedBytes).toBe(2_000_000);
  expect(cost.soFar().forecastBytes).toBeGreaterThan(4_000_000);
  expect(cost.soFar().forecastBytes).toBeLessThan(4_300_000);
});

test("a manifest that tells the bytes of all chunks gives a better forecast than none", () => {
  const cost = countCost(0.25);
  cost.expect([chunk(), chunk()]);
  expect(cost.soFar().forecastBytes).toBe(500_000);
});

test("what was in the slot already costs nothing, and is counted once", () => {
  const cost = countCost();
  const steps = [chunk(), chunk()];
  cost.expect(steps);
  cost.done(steps[0]!);
  cost.done(steps[0]!);
  expect(cost.soFar().forecastBytes).toBe(400_000);
});

test("a pack that came whole costs nothing more, and one that is lost costs its chunks", () => {
  const cost = countCost();
  cost.expect([packed(), packed()]);
  expect(cost.insteadOfPack()).toBe(800_000);
  cost.carried(20_000);
  cost.packIs("here");
  expect(cost.soFar()).toEqual({ fetchedBytes: 20_000, forecastBytes: 20_000 });
  cost.packIs("lost");
  expect(cost.soFar().forecastBytes).toBe(820_000);
});
