import { describe, expect, test } from "vitest";
import { freeName, namesAfterReplacement, newName } from "../../../agent/discovery/new-name.ts";

const attic = { id: "a", name: "attic", admissions: ["jws"] };

test("the newcomer takes the next free name, the one who was here keeps it", () => {
  const newcomer = { ...attic, id: "0", admissions: [] };
  expect(newName(newcomer, attic, ["attic", "attic-2"])).toBe("attic-3");
  expect(newName(attic, newcomer, ["attic"])).toBeUndefined();
});

test("of two newcomers exactly one yields: the one with the higher id", () => {
  const [low, high] = [
    { ...attic, id: "a", admissions: [] },
    { ...attic, id: "b", admissions: [] },
  ];
  expect([newName(low, high, ["attic"]), newName(high, low, ["attic"])]).toEqual([undefined, "attic-2"]);
});

test("another name, or ourselves, changes nothing", () => {
  expect(newName(attic, { ...attic, id: "b", name: "cellar" }, [])).toBeUndefined();
  expect(newName(attic, attic, ["attic"])).toBeUndefined();
});

test("a name of 63 characters stays a DNS label", () => {
  const longest = "x".repeat(63);
  expect(freeName(longest, new Set([longest])).length).toBeLessThanOrEqual(63);
});

describe("a new card in an old board", () => {
  const old = { id: "o", name: "attic", record: { name: "attic" } };
  const heir = { id: "h", name: "attic-2", record: { name: "attic", replaces: "o" } };
  const names = (holders: Parameters<typeof namesAfterReplacement>[0], ...gone: string[]) =>
    Object.fromEntries(namesAfterReplacement(holders, "cellar", (id) => gone.includes(id)));

  test("takes the old one's name once that is gone, and the old one goes by another", () => {
    expect(names([old, heir], "o")).toEqual({ h: "attic", o: "attic-2" });
    expect(names([heir, old], "o")).toEqual({ h: "attic", o: "attic-2" });
  });

  test("takes nothing from one that lives, whatever it claims", () => {
    expect(names([old, heir])).toEqual({});
  });

  test("takes no name but its own, and none without a claim on that very member", () => {
    expect(names([old, { ...heir, record: { name: "attic", replaces: "x" } }], "o", "x")).toEqual({});
    expect(names([old, { ...heir, record: { name: "attic" } as typeof heir.record }], "o")).toEqual({});
    expect(names([old, { ...heir, name: "pantry", record: { name: "pantry", replaces: "o" } }], "o")).toEqual({});
  });

  test("changes once: a second look finds nothing to do, also when the old one is back", () => {
    const after = [
      { ...old, name: "attic-2" },
      { ...heir, name: "attic" },
    ];
    expect([names(after, "o"), names(after)]).toEqual([{}, {}]);
  });

  test("a dead heir inherits nothing", () => {
    expect(names([old, heir], "o", "h")).toEqual({});
  });
});
