// What comes and goes, and what never ends: nobody waits for it for ever.
import { expect, test } from "vitest";
import type { Effect, Updater } from "../../../ota/rollout/view.ts";
import { after, hourMs, idsOf, minuteMs, Stage } from "./stage.ts";

const ids = idsOf(3);
const [canary = "", second = "", third = ""] = ids;
const terms = { waves: [100], soakSeconds: 0 };

/** How long until this device asks for the lease, if this happens every 15 s. */
function untilAsked(stage: Stage, happens: (at: number) => void): number {
  for (let at = 0; at < 240; at++) {
    if (stage.effects.some(({ kind }) => kind === "askLease")) return (at * 15_000) / minuteMs;
    happens(at);
    stage.after(15_000);
  }
  return Number.POSITIVE_INFINITY;
}
const ready = () => {
  const stage = new Stage(third, ids, terms);
  stage.prepare();
  return stage;
};
const flap = (stage: Stage, id: string) => (at: number) =>
  stage.change({ [id]: { absentSinceMs: at % 2 === 0 ? stage.now : undefined } });

test.each([
  ["one before it", canary],
  ["the next before it", second],
])("%s comes and goes every 15 s: the device asks for the lease all the same", (_, flapper) => {
  expect(untilAsked(ready(), () => {})).toBeLessThanOrEqual(1);
  const stage = ready();
  expect(untilAsked(stage, flap(stage, flapper))).toBeLessThan(3);
});

test("one that speaks every 15 s without beginning keeps the turn no longer either", () => {
  const stage = ready();
  expect(untilAsked(stage, () => stage.says(canary, "stayed"))).toBeLessThan(3);
});

test("who is waited for, and since when, stays the same while members come and go", () => {
  const stage = ready();
  const since = stage.wait()!.sinceMs;
  for (const at of [0, 1]) {
    flap(stage, canary)(at);
    stage.after(5_000);
  }
  expect(stage.wait()).toMatchObject({ on: "turn", device: canary, sinceMs: since });
});

test("whoever begins gives the others their patience back", () => {
  const stage = ready();
  untilAsked(stage, flap(stage, canary));
  stage.happen({ kind: "denied", by: "held", holder: canary });
  stage.change({ [canary]: { absentSinceMs: undefined } });
  stage.says(canary, "began");
  stage.after(minuteMs);
  stage.says(canary, "updated");
  expect(stage.wait()).toMatchObject({ on: "turn", device: second, sinceMs: stage.now });
});

const atIt: Updater[] = [
  { phase: "busy" },
  { phase: "preparing", release: "1.2.0", doneBytes: 1, totalBytes: 2 },
  { phase: "restarting", release: after },
  { phase: "trying", release: after },
  { phase: "refusing", release: after, code: "trial.noGossip", isFinal: false },
];
test.each(atIt)("an updater that is at it for ever ($phase) is given up after a day, by name", (updater) => {
  const stage = new Stage(canary, ids, terms);
  stage.prepare();
  stage.happen({ kind: "granted" });
  stage.happen({ kind: "updater", updater });
  for (let hours = 0; hours < 23; hours++) stage.after(hourMs);
  expect(stage.view.own.step).toBe("away");
  stage.effects = [];
  for (let hours = 0; hours < 2; hours++) stage.after(hourMs);
  expect(stage.view.own.step).toBe("resting");
  const check = updater.phase === "refusing" ? updater.code : "update.busy";
  expect(stage.effects).toContainEqual({
    kind: "publish",
    result: expect.objectContaining({ outcome: "stayed", check }),
  });
  expect(stage.effects).toContainEqual({ kind: "releaseLease" });
  expect(stage.status().members.find(({ id }) => id === canary)).toMatchObject({ standing: "waiting" });
});

test("one that is busy and silent in turn is given up after the same day", () => {
  const stage = new Stage(canary, ids, terms);
  stage.prepare();
  stage.happen({ kind: "granted" });
  for (let hours = 0; hours < 25; hours++) {
    stage.happen({ kind: "updater", updater: { phase: hours % 2 === 0 ? "busy" : "silent" } });
    stage.after(hourMs);
  }
  expect(stage.view.own.step).toBe("resting");
});

const idleDays = (stage: Stage, happens: (hour: number) => void, wanted: Effect["kind"] = "askLease"): number => {
  for (let hour = 0; hour < 40 * 24; hour++) {
    if (stage.effects.some(({ kind }) => kind === wanted)) return hour / 24;
    happens(hour);
    for (let minutes = 0; minutes < 60; minutes += 10) stage.after(10 * minuteMs);
  }
  return Number.POSITIVE_INFINITY;
};
const awayFor = (stage: Stage, id: string, hours: number, of: number) => (hour: number) =>
  stage.change({ [id]: { absentSinceMs: hour % of < hours ? stage.now - (hour % of) * hourMs : undefined } });

test.each([
  ["every other hour", 1, 2],
  ["for the night", 8, 24],
  ["for nearly a day", 23, 24],
])("a gateway waits seven days for a lighter member that is away %s", (_, hours, of) => {
  const stage = new Stage(third, ids, terms);
  stage.change({ [third]: { duties: ["gateway"] } });
  stage.says(second, "updated");
  stage.prepare();
  stage.effects = [];
  const { waits } = stage.status().members.find(({ id }) => id === third)!;
  expect(waits).toMatchObject({ on: "turn", device: canary });
  expect(waits!.until).toBeGreaterThan(waits!.since);
  const days = idleDays(stage, awayFor(stage, canary, hours, of));
  expect(days).toBeGreaterThan(1);
  expect(days).toBeLessThan(8);
});

test("a member that is away each night in which others may restart delays them by seven days", () => {
  const stage = new Stage(second, ids, { waves: [100], soakSeconds: 0, window: "02:00-05:00" });
  stage.prepare();
  stage.effects = [];
  const days = idleDays(stage, (hour) => {
    const minute = (hour % 24) * 60;
    stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: stage.now, minute, unsyncedSinceMs: undefined } });
    awayFor(stage, canary, 8, 24)(hour);
  });
  expect(days).toBeLessThan(8.5);
});

test("a wave goes on without a member that comes and goes after seven days, and two in which it says nothing", () => {
  const stage = new Stage(second, ids, { waves: ["canary", 100], soakSeconds: 0 });
  expect(idleDays(stage, awayFor(stage, canary, 1, 2), "prepare")).toBeLessThan(9.5);
});
