// What a check and a commit leave for good: no release and no date older than these are believed any more.
import { afterEach, beforeEach, expect, test } from "vitest";
import { stateIn } from "../../../ota/updater/state.ts";
import type { UpdateReport } from "../../../provisioning/handover/update.ts";
import { type Bench, makeBench } from "./bench.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await makeBench();
});
afterEach(() => bench.close());
const waitsFor =
  (code: string) =>
  ({ activity }: UpdateReport) =>
    activity.phase === "waiting" && activity.because.code === code;

test("a release older than one that was kept is refused, also after somebody went back", async () => {
  const trial = await bench.updateToNext();
  bench.agent.ask({ kind: "back" });
  await trial.untilRestart();
  bench.publish("1.0.5", { from: bench.first });
  const back = await bench.start({ kind: "reboot" });
  expect(back.version).toBe("1.0");
  bench.agent.ask({ kind: "prepare", version: "1.0.5" });
  const { activity } = await back.untilReport(waitsFor("update.notNewer"));
  expect(activity).toMatchObject({ because: { message: expect.stringContaining("1.1, which ran here before") } });
  await back.stop();
});

test("metadata that had expired when a release that was seen was built is refused, on a device without a clock", async () => {
  bench.publish("1.1", { builtS: Date.UTC(2022, 3) / 1000 });
  const running = await bench.start();
  bench.agent.ask({ kind: "check" });
  await running.untilReport(({ newest }) => newest === "1.1");
  await running.stop();
  bench.repository.expire("2022-01-01T00:00:00Z");
  bench.publish("1.2", { builtS: Date.UTC(2021, 0) / 1000 });
  const again = await bench.start();
  bench.agent.ask({ kind: "check" });
  await again.untilReport(waitsFor("update.expired"));
  expect((await stateIn(bench.stateFolder).read("floors.json"))?.clockS).toBe(Date.UTC(2022, 3) / 1000);
  await again.stop();
});
