import { describe, expect, test } from "vitest";
import { namesAfterReplacement } from "../../../agent/membership/replacements.ts";

describe("a new card in an old board", () => {
  const old = { id: "o", name: "attic", record: { name: "attic" } };
  const heir = { id: "h", name: "attic-2", record: { name: "attic", replaces: "o" } };
  const names = (holders: Parameters<typeof namesAfterReplacement>[0], ...gone: string[]) =>
    Object.fromEntries(namesAfterReplacement(holders, "cellar", (id) => gone.includes(id)));

  test("takes the old device's name once that is gone; the old device gets another", () => {
    expect(names([old, heir], "o")).toEqual({ h: "attic", o: "attic-2" });
    expect(names([heir, old], "o")).toEqual({ h: "attic", o: "attic-2" });
  });

  test("takes nothing from a device that is alive, whatever it claims", () => {
    expect(names([old, heir])).toEqual({});
  });

  test("takes no name but its own, and only from the member that it says it replaces", () => {
    expect(names([old, { ...heir, record: { name: "attic", replaces: "x" } }], "o", "x")).toEqual({});
    expect(names([old, { ...heir, record: { name: "attic" } as typeof heir.record }], "o")).toEqual({});
    expect(names([old, { ...heir, name: "pantry", record: { name: "pantry", replaces: "o" } }], "o")).toEqual({});
  });

  test("swaps once: a second pass changes nothing, even if the old device is back", () => {
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
