// The last resort: a release whose updater does not run is not kept.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Armed } from "../../../ota/updater/state.ts";
import { endUnjudged } from "../../../ota/updater/unjudged.ts";
import { startTrial } from "../../image/boot/bench.ts";
import { type SystemdBootBench, systemdBootBench } from "../../image/boot/systemd-boot/bench.ts";

let bench: SystemdBootBench;
beforeEach(async () => {
  bench = await systemdBootBench();
});
afterEach(() => bench.dispose());
const armed: Armed = {
  ...{ from: { slot: "a", version: "1.0" }, to: { slot: "b", version: "1.1" }, rootHash: "aa", bootId: "one" },
  ...{ atMs: 5, failedUnits: [], alive: [], hadMesh: false, hadTelemetry: false },
};
const record = { slot: "b", version: "1.1", phase: "requested", bootId: "one" } as const;
type Records = Parameters<typeof endUnjudged>[1];
const records = (more: Partial<Records> = {}): Records => ({ armed, handMade: undefined, record: undefined, ...more });

test("a trial of the updater's own that is still open ends with the old slot", async () => {
  const trial = await startTrial(bench, await bench.start({ kind: "power" }), "1.1");
  expect(await endUnjudged({ ...trial, bootId: "two" }, records())).toBe(true);
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "a", version: "1.0" });
});

test("a trial of which only boot control has a record ends too", async () => {
  const trial = await startTrial(bench, await bench.start({ kind: "power" }), "1.1");
  expect(await endUnjudged({ ...trial, bootId: "two" }, records({ armed: undefined, record }))).toBe(true);
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "a", version: "1.0" });
});

test("a trial that a person began, one that was committed, and none are left alone", async () => {
  const first = await bench.start({ kind: "power" });
  expect(await endUnjudged({ ...first, bootId: "two" }, records())).toBe(false);
  const trial = await startTrial(bench, first, "1.1");
  const handMade = { slot: "b" } as const;
  expect(await endUnjudged({ ...trial, bootId: "two" }, records({ armed: undefined, record, handMade }))).toBe(false);
  await trial.control.commit();
  expect(await endUnjudged({ ...trial, bootId: "two" }, records({ record }))).toBe(false);
  expect(await bench.start({ kind: "power" })).toMatchObject({ slot: "b", version: "1.1" });
});

test("the old slot stays up although boot control cannot say anything", async () => {
  const { control, slot } = await bench.start({ kind: "power" });
  const current = () => Promise.reject(new Error("the EFI partition does not mount"));
  const broken = { ...control, current };
  expect(await endUnjudged({ control: broken, slot, bootId: "two" }, records())).toBe(false);
  await expect(endUnjudged({ control: broken, slot: "b", bootId: "two" }, records())).rejects.toThrow("does not mount");
});
