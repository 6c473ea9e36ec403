import { describe, expect, test } from "vitest";
import { namesAfterReplacement } from "../../../agent/membership/replacements.ts";
import { boardIdentityOf, boardKeyOf } from "../../../provisioning/handover/board.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { formerOf, isReplacement, signReplacement } from "../../../provisioning/trust/replacement.ts";
import { makeStreet } from "../../street.ts";

describe("a new card in an old board", () => {
  const old = { name: "attic", record: { id: "o", name: "attic" } };
  const heir = { name: "attic-2", replaces: "o", record: { id: "h", name: "attic" } };
  const names = (holders: Parameters<typeof namesAfterReplacement>[0], lives: Record<string, "gone" | "alive"> = {}) =>
    Object.fromEntries(
      [...namesAfterReplacement(holders, "cellar", (id) => lives[id])].map(([id, { name }]) => [id, name]),
    );

  test("takes the old device's name once that is gone; the old device gets another", () => {
    expect(names([old, heir], { o: "gone" })).toEqual({ h: "attic", o: "attic-2" });
    expect(names([heir, old], { o: "gone", h: "alive" })).toEqual({ h: "attic", o: "attic-2" });
  });

  test("takes nothing from a device that is not gone, whatever it claims", () => {
    expect([names([old, heir]), names([old, heir], { o: "alive" })]).toEqual([{}, {}]);
  });

  test("takes no name but its own, and only from the member that it replaces", () => {
    const gone = { o: "gone", x: "gone" } as const;
    expect(names([old, { ...heir, replaces: "x" }], gone)).toEqual({});
    expect(names([old, { ...heir, replaces: undefined }], gone)).toEqual({});
    expect(names([old, { ...heir, name: "pantry", record: { id: "h", name: "pantry" } }], gone)).toEqual({});
  });

  test("swaps once, and gives the name back when the old device lives; one in doubt changes nothing", () => {
    const after = [
      { ...old, name: "attic-2" },
      { ...heir, name: "attic", tookFrom: "o" },
    ];
    expect([names(after, { o: "gone" }), names(after)]).toEqual([{}, {}]);
    expect(names(after, { o: "alive" })).toEqual({ o: "attic", h: "attic-2" });
  });

  test("a device that never had the name here gets it from nobody who says to replace it", () => {
    const victim = { ...heir, name: "attic" };
    expect(names([victim, { ...old, name: "attic-2" }], { o: "alive" })).toEqual({});
    expect(
      names(
        [
          { ...victim, tookFrom: "x" },
          { ...old, name: "attic-2" },
        ],
        { o: "alive" },
      ),
    ).toEqual({});
  });

  test("a dead heir inherits nothing", () => {
    expect(names([old, heir], { o: "gone", h: "gone" })).toEqual({});
  });
});

test("only the former device's board proves a replacement, for one heir in one neighborhood", () => {
  const facts = { serials: ["g6bn1234"], macs: [] };
  const [former, heir, elm] = [generateSigningKey().publicKey, generateSigningKey().publicKey, makeStreet().keys.id];
  const replaced = { neighborhood: elm, former: deviceIdOf(former), heir: deviceIdOf(heir) };
  const board = boardIdentityOf(facts, former)!;
  const proof = signReplacement(replaced, boardKeyOf(facts, former)!);
  expect([formerOf(proof), isReplacement(proof, replaced, board)]).toEqual([replaced.former, true]);
  const others = [
    signReplacement(replaced, boardKeyOf({ ...facts, serials: ["g6bn9999"] }, former)!),
    signReplacement(replaced, boardKeyOf(facts, heir)!),
    signReplacement({ ...replaced, heir: replaced.former }, boardKeyOf(facts, former)!),
    signReplacement({ ...replaced, neighborhood: makeStreet().keys.id }, boardKeyOf(facts, former)!),
    `${replaced.former}.${"a".repeat(86)}`,
  ];
  for (const other of others) expect(isReplacement(other, replaced, board)).toBe(false);
  expect(isReplacement(proof, replaced, "no key")).toBe(false);
});
