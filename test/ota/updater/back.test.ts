// Going back to the release before: the real updater, slots as files, and boot control on a model of the boot loader.
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../eventually.ts";
import { outcomes, PowerCut } from "../../image/boot/power.ts";
import { type Bench, makeBench } from "./bench.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await makeBench();
});
afterEach(() => bench.close());

test("a device goes back to the release before when asked, and does not install again what it left until somebody says so", async () => {
  const running = await bench.updateToNext();
  bench.agent.reports.length = 0;
  bench.agent.ask({ kind: "back" });
  await running.untilRestart();
  // Whoever asked hears of a refusal: the restart is told only after everything was verified.
  const told = bench.agent.reports.map(({ activity }) => activity).filter(({ phase }) => phase !== "idle");
  expect(told[0]).toEqual({ phase: "verifying", version: "1.0", doneBytes: 0, totalBytes: 0 });
  expect(told.at(-1)).toEqual({ phase: "restarting", version: "1.0" });
  expect(readdirSync(bench.boot.folder).sort()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.new"]);
  const back = await bench.start({ kind: "reboot" });
  expect(back).toMatchObject({ slot: "a", version: "1.0" });
  const report = await back.untilReport(({ history }) => history.length === 2);
  expect(report).toMatchObject({ failed: ["1.1"], history: [{ outcome: "left", from: "1.1", to: "1.0" }, {}] });
  expect(report.fallback).toBeUndefined();
  expect(report.earlier).toBeUndefined();

  bench.agent.ask({ kind: "now" });
  const { activity } = await back.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ version: "1.1", because: { code: "update.failedBefore" } });
  // The slot still holds 1.1, and its kernel was set aside: nothing but the recipe is fetched.
  const before = bench.agent.asked.length;
  bench.agent.ask({ kind: "retry" });
  await back.untilRestart();
  expect(bench.agent.asked.slice(before).filter(({ kind }) => kind === "object")).toHaveLength(1);
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "b", version: "1.1" });
});

test("without an earlier release there is nothing to go back to, and the device stays", async () => {
  const running = await bench.start();
  bench.agent.ask({ kind: "back" });
  const { activity } = await running.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ because: { code: "update.nothingBack", hint: expect.any(String) } });
  expect(running.restarted()).toBe(false);
});

test.each(["root-a", "verity-a"])("with a wrong byte in %s the device does not go back", async (label) => {
  const running = await bench.updateToNext();
  const bytes = bench.slot(label);
  const at = 4096 + 7;
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(join(bench.disk, label), bytes);
  bench.agent.ask({ kind: "back" });
  const { activity } = await running.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ because: { code: "update.nothingBack" } });
  expect(bench.agent.last()?.earlier).toBeUndefined();
  expect(readdirSync(bench.boot.folder).sort()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.efi"]);
  expect(running.restarted()).toBe(false);
});

test("once an update has begun to write the other slot, nothing leads back any more", async () => {
  const running = await bench.updateToNext();
  bench.publish("1.2");
  let objects = 6;
  bench.agent.mischief = ({ kind }, response) => {
    if (kind !== "object" || objects-- > 0) return false;
    response.destroy();
    return true;
  };
  bench.agent.ask({ kind: "now" });
  await running.untilReport((one) => one.activity.phase === "waiting");
  expect(bench.agent.last()?.earlier).toBeUndefined();
  bench.agent.ask({ kind: "back" });
  const { activity } = await running.untilReport(
    (one) => one.activity.phase === "waiting" && one.activity.because.code === "update.nothingBack",
  );
  expect(activity).toBeDefined();
  expect(running.restarted()).toBe(false);
});

test("a power cut at any write of going back leaves one of the two releases, and its history is true", async () => {
  for (let number = 0, isCut = true; isCut; number++) {
    for (const outcome of outcomes) {
      const running = await bench.updateToNext();
      // Of the boot loader's files; the updater's own are written whole.
      bench.boot.power.cutAt(number, outcome);
      isCut = await running.control.revert().then(
        () => false,
        (error: unknown) => {
          if (error instanceof PowerCut) return true;
          throw error;
        },
      );
      const leaving = { from: { slot: "b", version: "1.1" }, to: { slot: "a", version: "1.0" }, atMs: 5 };
      writeFileSync(join(bench.stateFolder, "leaving.json"), JSON.stringify(leaving));
      await running.stop();
      const after = await bench.start({ kind: "power" });
      const hasLeft = after.version === "1.0";
      await eventually(() => !existsSync(join(bench.stateFolder, "leaving.json")), { within: 5_000, every: 5 });
      const { failed } = await after.untilReport(({ history }) => history.length === (hasLeft ? 2 : 1));
      expect(failed).toEqual(hasLeft ? ["1.1"] : []);
      await after.stop();
      await bench.close();
      bench = await makeBench();
    }
  }
});

test("a process that dies between the two makes good for it by restarting", async () => {
  const running = await bench.updateToNext();
  const leaving = { from: { slot: "b", version: "1.1" }, to: { slot: "a", version: "1.0" }, atMs: 5 };
  writeFileSync(join(bench.stateFolder, "leaving.json"), JSON.stringify(leaving));
  await running.control.revert();
  await (await running.again()).untilRestart();
  const back = await bench.start({ kind: "reboot" });
  expect(back).toMatchObject({ slot: "a", version: "1.0" });
  await back.untilReport(({ failed }) => failed.includes("1.1"));
  await back.stop();
});

test("an update, and going back, wait while the owner has asked for a reset or a move to another disk", async () => {
  bench.publish("1.1", { from: bench.first });
  bench.ownerAsked = "reset";
  const running = await bench.start();
  bench.agent.ask({ kind: "now" });
  const { activity } = await running.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ version: "1.1", because: { code: "update.busy" }, againAtMs: expect.any(Number) });
  bench.agent.ask({ kind: "back" });
  await running.untilReport((one) => one.activity.phase === "waiting" && !("againAtMs" in one.activity));
  bench.ownerAsked = undefined;
  bench.agent.ask({ kind: "now" });
  await running.untilRestart();
});
