// How long a trial may take.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AgentConfig } from "../../../agent/config.ts";
import { deadlineIn } from "../../../ota/updater/trial-deadline.ts";
import { verdictSeconds } from "../../../provisioning/handover/update.ts";
import { healthy } from "./agent.ts";
import { makeBench } from "./bench.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-deadline-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("an updater that starts again in the same boot gets no more time, whatever it asks for; another boot does", async () => {
  expect(await deadlineIn(folder, "one", 1_000, 60_000)).toBe(61_000);
  expect(await deadlineIn(folder, "one", 50_000, 480_000)).toBe(61_000);
  expect(await deadlineIn(folder, "two", 50_000, 480_000)).toBe(530_000);
});

test("the longest trial ends a minute before the timer that ends trials without a verdict, and the setting knows no longer one", async () => {
  const timer = await readFile(new URL("../../../ota/updater/units/hamlet-verdict.timer", import.meta.url), "utf8");
  const minutes = Number(/^OnBootSec=(\d+)min$/m.exec(timer)?.[1]);
  // The updater starts within the first minute.
  expect(60 + verdictSeconds.max + 60).toBeLessThanOrEqual(minutes * 60);
  expect(AgentConfig.parse({}).update.verdictSeconds).toBe(180);
  for (const seconds of [59, 481, 1e9, -1, 60.5]) {
    expect(AgentConfig.safeParse({ update: { verdictSeconds: seconds } }).success, `${seconds}`).toBe(false);
  }
});

test("a trial lasts as long as the release before it said, whatever the release on trial says", async () => {
  const bench = await makeBench();
  try {
    const asked: number[] = [];
    bench.parts.trialDeadlineMs = async (verdictMs) => {
      asked.push(verdictMs);
      return performance.now() * 100 + verdictMs;
    };
    bench.publish("1.1", { from: bench.first });
    const old = await bench.start();
    bench.agent.evidence = { ...healthy, verdictSeconds: 60 };
    bench.agent.ask({ kind: "now" });
    await old.untilRestart();
    bench.agent.evidence = { ...healthy, hasPage: false, verdictSeconds: 480 };
    const trial = await bench.start({ kind: "reboot" });
    await trial.untilRestart();
    expect(asked).toEqual([60_000]);
    expect(trial.restarted()).toBe(true);
  } finally {
    await bench.close();
  }
});

test("an agent that asks for a longer trial than there is gets none", async () => {
  const bench = await makeBench();
  try {
    bench.publish("1.1", { from: bench.first });
    const old = await bench.start();
    bench.agent.evidence = { ...healthy, verdictSeconds: 1e9 };
    bench.agent.ask({ kind: "now" });
    const { activity } = await old.untilReport((report) => report.activity.phase === "waiting");
    expect(activity).toMatchObject({ because: { code: "update.agentSilent" } });
    expect(old.restarted()).toBe(false);
    await old.stop();
  } finally {
    await bench.close();
  }
});
