// What the updater keeps can be read again: a trial without a readable record would have no verdict.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Armed, stateIn } from "../../../ota/updater/state.ts";
import { sealed } from "../../../system/kept.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-state-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const armed: Armed = {
  ...{ from: { slot: "a", version: "1.0" }, to: { slot: "b", version: "1.1" }, rootHash: "aa", bootId: "one" },
  ...{ atMs: 5, failedUnits: [], alive: ["m1"], hadMesh: true, hadTelemetry: false },
};

test("what is written is read, until it is removed", async () => {
  const state = stateIn(folder);
  await state.write("armed.json", armed);
  expect(await state.read("armed.json")).toEqual(armed);
  await state.write("armed.json", undefined);
  expect(await state.read("armed.json")).toBeUndefined();
});

test("the record of a trial that a later release wrote, with checks that this one does not know, is read", async () => {
  const doubt = { missing: ["trial.noTwin", "trial.noGossip"], log: [], confirmations: [] };
  const later = { ...armed, doubt, twin: "m2" };
  writeFileSync(join(folder, "armed.json"), sealed(later));
  expect(await stateIn(folder).read("armed.json")).toEqual({ ...armed, doubt });
});

test("what could not be read again is not written", async () => {
  const alive = ["m".repeat(65)];
  await expect(stateIn(folder).write("armed.json", { ...armed, alive })).rejects.toThrow("alive");
  expect(readdirSync(folder)).toEqual([]);
});
