// What the owner is warned of when a rollout is in trouble.
import { expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { makeWarnOfRollout } from "../../../agent/rollout/warn.ts";
import type { RolloutStatus } from "../../../ota/rollout/report.ts";
import { silentLog } from "../../../system/log.ts";

const running: RolloutStatus = {
  ...{
    rollout: "r".repeat(22),
    number: 1,
    release: "1.4.0",
    operators: ["owner"],
    state: "running",
    waves: ["canary"],
  },
  ...{ wave: 0, updated: 0, failed: 0, total: 2, isWindowIgnored: false, members: [], later: [] },
};

function makeWarned() {
  const warnings = new Warnings({ now: () => 5_000, monotonic: () => 0 }, silentLog);
  return { warnings, warn: makeWarnOfRollout(warnings, (id) => (id === "a" ? "attic" : id)) };
}

test("a rollout that stops by itself is an error that names who failed and what to do, until it goes on", () => {
  const { warnings, warn } = makeWarned();
  warn({ ...running, state: "paused", waits: { on: "failures", devices: ["a"], since: 3_000 } });
  expect(warnings.list()).toMatchObject([
    { code: "rollout.paused", severity: "error", since: 3_000, message: expect.stringContaining("attic") },
  ]);
  warn(running);
  expect(warnings.list()).toEqual([]);
});

test("an operator's own pause is no reason to warn", () => {
  const { warnings, warn } = makeWarned();
  warn({ ...running, state: "paused", waits: { on: "operator", operators: ["owner"], since: 3_000 } });
  expect(warnings.list()).toEqual([]);
});

test("hours that nobody knows are told while the rollout runs", () => {
  const { warnings, warn } = makeWarned();
  warn({ ...running, isWindowIgnored: true });
  expect(warnings.list()).toMatchObject([{ code: "rollout.noHours", severity: "warning" }]);
  warn({ ...running, isWindowIgnored: true, state: "finished" });
  expect(warnings.list()).toEqual([]);
});
