// Warnings about updates: what becomes one, when, and what ends it.
import { beforeEach, expect, test } from "vitest";
import { publicOf } from "../../../agent/health/public.ts";
import { Warnings } from "../../../agent/health/warnings.ts";
import { makeWarnOfUpdate, type WarnOfUpdate, warnOfSilence } from "../../../agent/update/warn.ts";
import { makeLog } from "../../../system/log.ts";
import { reportOf } from "./updater.ts";

const dayMs = 24 * 3600_000;
let now: number;
let warnings: Warnings;
let warn: WarnOfUpdate;
beforeEach(() => {
  now = 1_000_000;
  warnings = new Warnings({ now: () => now, monotonic: () => now }, makeLog("test"));
  warn = makeWarnOfUpdate(warnings, () => now);
});
const codes = () => warnings.list().map(({ code }) => code);
const waiting = (code: string) => ({
  phase: "waiting" as const,
  version: "0.2.0",
  because: { code, message: "no repository answers at 192.0.2.7" },
});
const fallback = { atMs: 7, from: "0.1.0", to: "0.2.0", outcome: "failed" as const, check: "trial.mesh" };

test("a fallback is a warning until somebody has seen it, on the public page and the console too", () => {
  warn(reportOf({ fallback: { ...fallback, message: "no handshake with cellar" } }));
  const [shown] = publicOf(warnings.list());
  expect(shown).toMatchObject({ code: "update.fallback", severity: "error", since: 7 });
  expect(shown?.message).toBe("the update to 0.2.0 failed (trial.mesh), and this device runs 0.1.0 again");
  warn(reportOf({ fallback, activity: { phase: "checking" } }));
  expect(codes()).toEqual(["update.fallback"]);
  warn(reportOf());
  expect(codes()).toEqual([]);
});

test("a trial without a verdict is told apart from one that failed, and one that is still in doubt is no warning", () => {
  warn(reportOf({ activity: { ...waiting("trial.noGossip"), againAtMs: now + 60_000 } }));
  expect(codes()).toEqual([]);
  warn(reportOf({ fallback: { ...fallback, outcome: "void", check: "trial.noGossip" } }));
  expect(warnings.list()[0]?.message).toBe(
    "the update to 0.2.0 ended without a verdict (trial.noGossip), and this device runs 0.1.0 again",
  );
});

test.each([
  "update.noRoom",
  "update.tooOld",
  "update.expired",
  "update.badMetadata",
  "update.dataLost",
  "update.tooDear",
])("an update that waits for %s warns at once, to members only", (code) => {
  warn(reportOf({ activity: waiting(code) }));
  expect(warnings.list()).toMatchObject([{ code: "update.waiting", hint: `hamlet explain ${code}` }]);
  expect(publicOf(warnings.list())).toEqual([]);
});

test("a network that is gone warns once it has lasted a day, whatever was tried meanwhile", () => {
  warn(reportOf({ activity: waiting("update.unreachable") }));
  now += dayMs - 1;
  warn(reportOf({ activity: { phase: "checking" } }));
  warn(reportOf({ activity: waiting("update.unreachable") }));
  expect(codes()).toEqual([]);
  now += 1;
  warn(reportOf({ activity: waiting("update.unreachable") }));
  expect(warnings.list()).toMatchObject([{ code: "update.waiting", since: 1_000_000 }]);
  warn(reportOf({ activity: { phase: "idle" } }));
  expect(codes()).toEqual([]);
  warn(reportOf({ activity: waiting("update.unreachable") }));
  expect(codes()).toEqual([]);
});

test("an updater that has been silent for a quarter of an hour is a warning until it is heard", () => {
  warnOfSilence(warnings, 899_999);
  expect(codes()).toEqual([]);
  warnOfSilence(warnings, 900_000);
  expect(codes()).toEqual(["update.noUpdater"]);
  warnOfSilence(warnings, 5);
  expect(codes()).toEqual([]);
});

test.each(["update.failedBefore", "update.notNewer", "update.noRepository", "update.outsideWindow"])(
  "%s is no warning",
  (code) => {
    warn(reportOf({ activity: waiting(code) }));
    now += 30 * dayMs;
    warn(reportOf({ activity: waiting(code) }));
    expect(codes()).toEqual([]);
  },
);
