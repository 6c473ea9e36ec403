// How a trial ends when something comes in between: the real updater, slots as files, and boot control on a model of the boot loader.
import { afterEach, beforeEach, expect, test } from "vitest";
import { stateIn } from "../../../ota/updater/state.ts";
import type { UpdateReport } from "../../../provisioning/handover/update.ts";
import { type Bench, makeBench } from "./bench.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await makeBench();
  await bench.installNext();
});
afterEach(() => bench.close());
const hasFallback = ({ fallback }: UpdateReport) => fallback !== undefined;

test("a trial that was marked bad ends in the old slot, whatever its checks say by then", async () => {
  const trial = await bench.start({ kind: "reboot" });
  // As if the updater had died between the two: the restart is missing.
  await trial.stop();
  await trial.control.markBad();
  const again = await trial.again();
  await again.untilRestart();
  expect(again.restarted()).toBe(true);
  const back = await bench.start({ kind: "reboot" });
  expect(back.version).toBe("1.0");
  const { fallback, failed } = await back.untilReport(hasFallback);
  expect(fallback).toMatchObject({ to: "1.1", outcome: "failed", check: "trial.ended", log: ["the last words"] });
  expect(failed).toEqual(["1.1"]);
  await back.stop();
});

test("a slot that a person once tried by hand does not shield a later trial of the updater's own from its verdict", async () => {
  const state = stateIn(bench.stateFolder);
  const trial = await bench.start({ kind: "reboot" });
  await trial.untilReport(({ history }) => history.length > 0);
  await trial.stop();
  await state.write("handMade.json", { slot: "a" });
  bench.publish("1.2");
  const next = await bench.start();
  bench.agent.ask({ kind: "now" });
  await next.untilRestart();
  expect(await state.read("handMade.json")).toBeUndefined();
});

test("whoever acknowledges while a trial fails takes neither its end nor the warning away", async () => {
  bench.agent.evidence = undefined;
  const state = stateIn(bench.stateFolder);
  const second = Promise.withResolvers<void>();
  let writes = 0;
  bench.parts.state = {
    ...state,
    async write(name, value) {
      await state.write(name, value);
      if (name !== "history.json") return;
      if (++writes > 1) return second.resolve();
      bench.agent.ask({ kind: "seen" });
      await second.promise;
    },
  };
  const trial = await bench.start({ kind: "reboot" });
  await trial.untilRestart();
  bench.parts.state = state;
  const back = await bench.start({ kind: "reboot" });
  const { fallback } = await back.untilReport(hasFallback);
  expect(fallback).toMatchObject({ outcome: "failed", check: "trial.agentDown", log: ["the last words"] });
  await back.stop();
});

test("power that fails in the pause before a trial is repeated does not shorten it to nothing", async () => {
  for (let start = 0; start < 3; start++) {
    const trial = await bench.start();
    expect(trial.version).toBe("1.1");
    await trial.stop();
  }
  const isWaiting = ({ activity }: UpdateReport) =>
    activity.phase === "waiting" && activity.because.code === "trial.ended";
  for (let start = 0; start < 3; start++) {
    bench.agent.reports.length = 0;
    const back = await bench.start();
    expect(back.version).toBe("1.0");
    const { activity } = await back.untilReport(isWaiting);
    expect(activity).toMatchObject({ version: "1.1", againAtMs: expect.any(Number) });
    expect(bench.agent.reports.map((one) => one.activity.phase)).not.toContain("checking");
    if (start < 2) await back.stop();
    else {
      // Whoever wants it now need not wait, and nobody has to ask.
      bench.agent.ask({ kind: "now" });
      await back.untilRestart();
    }
  }
  expect((await stateIn(bench.stateFolder).read("wanted.json"))?.voids).toEqual({ version: "1.1", count: 1 });
});
