import { describe, expect, test } from "vitest";
import { freeName } from "../../../agent/membership/free-name.ts";
import { yieldName } from "../../../agent/membership/names.ts";
import type { State } from "../../../agent/membership/state.ts";
import { boardIdentityOf } from "../../../provisioning/handover/board.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import type { MemberRecord } from "../../../provisioning/trust/record.ts";
import { makeStreet } from "../../street.ts";

const state = (id: string, admissions: string[] = []) =>
  ({
    self: { id },
    own: { number: 1, name: "attic", admissions, endpoints: [] },
    members: new Map(),
    liveness: new Map(),
  }) as unknown as State;
const other = (id: string, admissions: string[] = [], name = "attic") => ({ id, name, admissions }) as MemberRecord;
const now = { monotonicMs: 0 };
const nameAfter = (own: State, record: MemberRecord, called?: string) =>
  yieldName(own, record, called === undefined ? {} : { called }, now)[0].own.name;

describe("a device that nobody has admitted yet", () => {
  test("takes the number that the member which greets it knows it by, and no other name", () => {
    expect(nameAfter(state("b"), other("a", ["word"], "cellar"), "attic-3")).toBe("attic-3");
    for (const called of ["pantry", "attic", "attic-", "attic-0", "attic-x2", "attic-99999", undefined]) {
      expect(nameAfter(state("b"), other("a", ["word"], "cellar"), called)).toBe("attic");
    }
    const longest = { ...state("b"), own: { ...state("b").own, name: "x".repeat(63) } };
    expect(nameAfter(longest, other("a"), freeName("x".repeat(63), new Set(["x".repeat(63)])))).toBe(
      `${"x".repeat(58)}-2`,
    );
  });

  test("gives way to another such device of one name with a lower id", () => {
    expect([nameAfter(state("b"), other("a")), nameAfter(state("a"), other("b"))]).toEqual(["attic-2", "attic"]);
    expect(nameAfter(state("b"), other("a", [], "cellar"))).toBe("attic");
  });

  test("gives way to nobody because of admissions that it can not verify", () => {
    expect(nameAfter(state("b"), other("a", ["junk"]))).toBe("attic");
  });
});

test("a member that greets a device and never lets it in moves its name so often, and no more", () => {
  const lower = (name: string) => other("a", [], name);
  let [called, shadowed] = [state("b"), state("b")];
  for (let number = 2; number < 1_000; number++) {
    const stem = called.own.name.slice(0, 58);
    [called] = yieldName(called, other("a", ["word"], "cellar"), { called: `${stem}-${number}` }, now);
    [shadowed] = yieldName(shadowed, lower(shadowed.own.name), {}, now);
  }
  for (const { own } of [called, shadowed]) expect(own.number).toBeLessThan(40);
});

describe("a device whose board others claim to have been in before", () => {
  const facts = { serials: ["g6bn1234"], macs: [] };
  const device = (admissions: string[] = []): State => {
    const own = state(deviceIdOf(generateSigningKey().publicKey), admissions);
    return { ...own, self: { ...own.self, board: facts, neighborhood: makeStreet().keys } };
  };
  const pretenders = [generateSigningKey(), generateSigningKey()].map(({ publicKey: deviceKey }) => ({
    ...{ ...other(deviceIdOf(deviceKey), ["word"]), deviceKey, boardIdentity: boardIdentityOf(facts, deviceKey)! },
  }));
  const [one] = pretenders as [MemberRecord];

  test("signs so while it is new and of those that do not run, and not without end", () => {
    let victim = device();
    [victim] = yieldName(victim, one, { from: "192.168.1.2" }, now);
    expect(victim.own.replaces).toBe(undefined);
    for (let round = 0; round < 100; round++) [victim] = yieldName(victim, pretenders[round % 2]!, {}, now);
    expect(victim.own.replaces).not.toBe(undefined);
    expect(victim.own.number).toBeLessThan(12);
  });

  test("signs it of nobody who comes once it has been a member for an hour, or since before it started", () => {
    const hour = { monotonicMs: 3_600_000 };
    const fresh = { ...device(["word"]), admittedAt: 0 };
    expect(yieldName(fresh, one, {}, { monotonicMs: 3_599_999 })[0].own.replaces).not.toBe(undefined);
    expect(yieldName(fresh, one, {}, hour)[0].own.replaces).toBe(undefined);
    expect(yieldName(device(["word"]), one, {}, now)[0].own.replaces).toBe(undefined);
  });
});

test("a device that was admitted keeps its name, whatever others say", () => {
  for (const record of [other("a"), other("a", ["junk"])]) {
    expect(nameAfter(state("b", ["word"]), record, "attic-2")).toBe("attic");
  }
});

test("a name of 63 characters stays a DNS label", () => {
  const longest = "x".repeat(63);
  expect(freeName(longest, new Set([longest])).length).toBeLessThanOrEqual(63);
});
