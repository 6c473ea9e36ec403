import { expect, test } from "vitest";
import { Presence } from "../../../agent/telemetry/presence.ts";

const isMember = () => true;
const minute = 60_000;

/** What attic, which has run since 0, sees: who is here from which time on. */
function seen(...looks: [at: number, alive: string[]][]): Presence {
  const presence = new Presence("attic", 0);
  for (const [at, alive] of looks) presence.look(["attic", ...alive], isMember, at);
  return presence;
}

test("whoever returns is told, with the time when it was last here", () => {
  const presence = seen([0, ["cellar", "kitchen"]], [1_000, ["cellar", "kitchen"]], [2_000, ["kitchen"]]);
  expect(presence.look(["cellar", "kitchen", "shed"], isMember, 9_000)).toEqual([
    ["cellar", 1_000],
    ["shed", Number.NEGATIVE_INFINITY],
  ]);
  expect(presence.look(["cellar", "kitchen", "shed"], isMember, 10_000)).toEqual([]);
});

test("a member that returns alone speaks for itself only, however often it comes and goes", () => {
  const day = 1_440 * minute;
  const presence = seen([0, ["cellar", "shed"]], [day, ["shed"]], [2 * day, ["cellar", "shed"]]);
  const speaksFor = ["cellar", "shed", "attic", "gone"].filter((id) => presence.mayHaveHosted("cellar", id, 2 * day));
  expect(speaksFor).toEqual(["cellar"]);
});

test("the lowest of those that return together speaks for them, while that is fresh", () => {
  const apart = ["cellar", "kitchen", "shed"];
  const presence = seen([0, [...apart, "barn"]], [10 * minute, ["barn"]], [20 * minute, [...apart, "barn"]]);
  const ids = ["barn", ...apart];
  const at = (member: string, now: number) => ids.filter((id) => presence.mayHaveHosted(member, id, now));
  expect(at("cellar", 20 * minute)).toEqual(apart);
  expect([at("kitchen", 20 * minute), at("barn", 20 * minute)]).toEqual([["kitchen"], ["barn"]]);
  expect(at("cellar", 22 * minute)).toEqual(["cellar"]);
});

test("a device that was away itself takes the lowest of the others for the host that it had, also of devices that are gone", () => {
  const presence = seen([1_000, ["cellar", "kitchen"]]);
  expect(["attic", "gone"].map((id) => presence.mayHaveHosted("cellar", id, 1_000))).toEqual([true, true]);
  expect(presence.mayHaveHosted("kitchen", "gone", 1_000)).toBe(false);
});
