import { expect, test } from "vitest";
import { freeName } from "../../../agent/membership/free-name.ts";
import { newName } from "../../../agent/membership/names.ts";

const attic = { id: "a", name: "attic", admissions: ["jws"] };

test("a newcomer takes the next free name; the device that was here first keeps its own", () => {
  const newcomer = { ...attic, id: "0", admissions: [] };
  expect(newName(newcomer, attic, ["attic", "attic-2"])).toBe("attic-3");
  expect(newName(attic, newcomer, ["attic"])).toBeUndefined();
});

test("of two newcomers, the one with the higher id takes another name", () => {
  const [low, high] = [
    { ...attic, id: "a", admissions: [] },
    { ...attic, id: "b", admissions: [] },
  ];
  expect([newName(low, high, ["attic"]), newName(high, low, ["attic"])]).toEqual([undefined, "attic-2"]);
});

test("a different name, or this device itself, changes nothing", () => {
  expect(newName(attic, { ...attic, id: "b", name: "cellar" }, [])).toBeUndefined();
  expect(newName(attic, attic, ["attic"])).toBeUndefined();
});

test("a name of 63 characters stays a DNS label", () => {
  const longest = "x".repeat(63);
  expect(freeName(longest, new Set([longest])).length).toBeLessThanOrEqual(63);
});
