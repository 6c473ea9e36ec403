import { describe, expect, test } from "vitest";
import type { Event, State } from "../../../agent/membership/state.ts";
import { step } from "../../../agent/membership/step.ts";
import { boardIdentityOf, boardKeyOf } from "../../../provisioning/handover/board.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { signReplacement } from "../../../provisioning/trust/replacement.ts";
import { noRevocations } from "../../../provisioning/trust/revocation.ts";
import { attic, heard, kinds, member, play, record, token } from "./play.ts";

test("a new member is saved, told to the other parts and admitted, in this order", () => {
  const [state, effects] = play(attic, heard(member(record("cellar"))));
  expect(state.members.get("cellar-id")).toMatchObject({ name: "cellar", basis: "judged" });
  expect(kinds(effects)).toEqual(["save", "members", "log", "clear clock.behind", "countersign", "met"]);
  expect(attic.members.size).toBe(0);
});

test("an older record changes nothing, and a newer one is no new member", () => {
  const [state] = play(attic, heard(member(record("cellar", { number: 7 }), false)));
  expect(kinds(play(state, heard(member(record("cellar", { number: 6 }), false)))[1])).toEqual(["met"]);
  const newer = heard(member(record("cellar", { number: 8 }), false));
  expect(kinds(play(state, newer)[1])).toEqual(["members", "met"]);
});

describe("of two devices with one name", () => {
  test("the one that yields signs its record once, and everybody is told", () => {
    const lower = record("attic", { id: "aaa" });
    const [state, effects] = play(attic, heard(member(lower, false)));
    expect(state.own).toMatchObject({ name: "attic-2", number: 6 });
    expect(state.members.get("aaa")?.name).toBe("attic");
    expect(
      kinds(effects)
        .filter((kind) => ["sign", "members", "publish"].includes(kind))
        .sort(),
    ).toEqual([...["members", "publish", "sign"]]);
    expect(kinds(effects)).toContain("warn member.nameTaken");
  });

  const facts = { serials: ["g6bn1234"], macs: [] };
  const [old, heir] = (() => {
    const keys = [generateSigningKey().publicKey, generateSigningKey().publicKey] as const;
    const [former, id] = keys.map(deviceIdOf) as [string, string];
    const proof = { neighborhood: attic.self.neighborhood.id, former, heir: id };
    const replaces = signReplacement(proof, boardKeyOf(facts, keys[0])!);
    return [
      record("porch", { id: former, deviceKey: keys[0], boardIdentity: boardIdentityOf(facts, keys[0]) }),
      record("porch", { id, deviceKey: keys[1], replaces }),
    ];
  })();
  const lives = (is: "dead" | "alive"): Event => ({ kind: "liveness", states: new Map([[old!.id, is]]) });

  test("the mesh hears of a newcomer before its endpoint, whether we yield our name or it inherits one", () => {
    const [, yielding] = play(attic, heard(member(record("attic", { id: "aaa" }))));
    const [before] = play(attic, heard(member(old!)), lives("dead"));
    const [, inheriting] = play(before, heard(member(heir!)));
    for (const effects of [yielding, inheriting]) {
      expect(kinds(effects)).toContain("members");
      expect(kinds(effects).indexOf("met")).toBe(effects.length - 1);
    }
  });

  test("the heir of a dead member takes its name, and nobody is warned of the dead any more", () => {
    const [before] = play(attic, heard(member(old!)), lives("dead"));
    const [state, effects] = play(before, heard(member(heir!)));
    expect([...state.members.values()].map(({ name }) => name)).toEqual(["porch-2", "porch"]);
    expect(kinds(effects)).toContain("clear member.dead");
    expect(play(state, lives("dead"))[1]).toEqual([]);
    const [back] = play(state, lives("alive"));
    expect([...back.members.values()].map(({ name }) => name)).toEqual(["porch", "porch-2"]);
  });

  test("a name whose owner is gone for 30 days goes to the next who wants it; a day less, or time alone, frees none", () => {
    const kept = (days: number, is: "dead" | "alive", witness: "dead" | "alive" = "alive"): State => {
      let [state] = play(attic, heard(member(record("porch"))), heard(member(record("cellar"))));
      const states = new Map([["porch-id", is] as const, ["cellar-id", witness] as const]);
      [state] = play(state, { kind: "liveness", states });
      for (let minutes = 0; minutes <= days * 1_440; minutes += 15) {
        [state] = step(state, { kind: "letIn" }, { wallMs: 5_000, monotonicMs: minutes * 60_000 });
      }
      return state;
    };
    const namesWith = (state: State) => {
      const heirless = heard(member(record("porch", { id: "next-id", deviceKey: "next-key" })));
      const [next] = step(state, heirless, { wallMs: 5_000, monotonicMs: 0 });
      return ["porch-id", "next-id"].map((id) => next.members.get(id)?.name);
    };
    expect(namesWith(kept(30.1, "dead"))).toEqual(["porch-2", "porch"]);
    expect(namesWith(kept(29.9, "dead"))).toEqual(["porch", "porch-2"]);
    expect(namesWith(kept(40, "alive"))).toEqual(["porch", "porch-2"]);
    // We are the one that is cut off.
    expect(namesWith(kept(40, "dead", "dead"))).toEqual(["porch", "porch-2"]);
  });
});

test("a member that is dead is warned of until it is heard again; one in doubt is looked for once", () => {
  const [state] = play(attic, heard(member(record("cellar"))));
  const say = (is: "alive" | "suspect" | "dead"): Event => ({ kind: "liveness", states: new Map([["cellar-id", is]]) });
  expect(play(state, say("alive"), say("suspect"))[1]).toEqual([{ kind: "doubt", id: "cellar-id" }]);
  expect(play(state, say("alive"), say("suspect"), say("suspect"))[1]).toEqual([]);
  expect(kinds(play(state, say("dead"))[1])).toEqual(["warn member.dead"]);
  expect(kinds(play(state, say("dead"), say("alive"))[1])).toEqual(["clear member.dead"]);
  expect(kinds(play(state, say("dead"), { kind: "liveness", states: new Map() })[1])).toEqual(["clear member.dead"]);
});

const pending = (name: string, by = token): Event => {
  const deviceKey = Buffer.from(name.padEnd(32)).toString("base64url");
  return heard({
    kind: "pending",
    record: record(name, { deviceKey }),
    token: by,
    because: "needsConfirmation",
    vouchers: [],
  });
};

test("who makes devices by one token without end keeps those of another token from no place", () => {
  const flood = Array.from({ length: 40 }, (_, index) => pending(`flood-${index}`));
  const fresh = { ...token, id: "fresh" };
  const mine = ["porch", "shed", "loft"];
  const [state] = play(attic, ...flood, ...mine.map((name) => pending(name, fresh)), ...flood);
  const waiting = [...state.pending.values()].map(({ name }) => name);
  expect(waiting).toHaveLength(16);
  expect(waiting).toEqual(expect.arrayContaining(mine));
});

test("at most sixteen devices wait, and those heard last ten minutes ago make room", () => {
  const names = Array.from({ length: 17 }, (_, index) => `device-${index}`);
  const [state] = play(attic, ...names.map((name) => pending(name)));
  expect([...state.pending.values()].map(({ name }) => name)).toEqual(names.slice(0, 16));
  const [later] = step(state, pending("late"), { wallMs: 5_000, monotonicMs: 600_001 });
  expect([...later.pending.values()].map(({ name }) => name)).toEqual(["late"]);
});

test("turned away, a device waits until a member vouches for it", () => {
  const [waits, effects] = play(attic, { kind: "turnedAway", because: "tokenExpired", at: "192.168.1.9" });
  expect([waits.isWaiting, kinds(effects)]).toEqual([true, ["clear waiting.pending", "warn token.expired"]]);
  const vouched = { ...heard(member(record("cellar"), false)), admissions: ["word"] } as Event;
  const [state, more] = play(waits, vouched);
  expect([state.isWaiting, state.own.admissions]).toEqual([false, ["word"]]);
  expect(kinds(more)).toEqual(expect.arrayContaining(["sign", "clear token.expired", "publish"]));
  expect(play(state, { kind: "turnedAway", because: "tokenExpired", at: "192.168.1.9" })[1]).toEqual([]);
  const [disputed, warnings] = play(state, { kind: "turnedAway", because: "overMaximum", at: "192.168.1.9" });
  expect([disputed.isWaiting, kinds(warnings)]).toEqual([false, ["warn token.disputed"]]);
  expect(warnings[0]).toMatchObject({
    message: expect.stringMatching(/is a member to .* and waits at 192\.168\.1\.9/),
  });
});

test("revocations put their members out", () => {
  const [state] = play(attic, heard(member(record("cellar"))), heard(member(record("porch"))));
  const revocations = { ...noRevocations, number: 1 };
  const out = new Map([["cellar-id", "deviceRevoked"]]);
  const [next, effects] = play(state, { kind: "revocations", revocations, out, forged: [] });
  expect([...next.members.keys()]).toEqual(["porch-id"]);
  expect(kinds(effects)).toEqual(["log", "save", "save", "members"]);
  expect(effects.filter(({ kind }) => kind === "save")).toEqual([
    { kind: "save", file: "revocations" },
    { kind: "save", file: "roster" },
  ]);
  const again: Event = { kind: "revocations", revocations, out: new Map(), forged: ["not signed by the root"] };
  expect(kinds(play(next, again)[1])).toEqual(["log"]);
});
