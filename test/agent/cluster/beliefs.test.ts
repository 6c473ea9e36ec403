import fc from "fast-check";
import { expect, test } from "vitest";
import { type Belief, Beliefs, isReachable, nobody } from "../../../agent/cluster/beliefs.ts";

const common = { incarnation: 1, signature: "", since: 0, accusers: nobody, hearsay: 0 };
const alive: Belief = { ...common, state: "alive" };
const knock = (at: number) => ({ at, everyMs: 1_000 });
const dead = (at: number): Belief => ({ ...common, state: "dead", knock: knock(at) });
const suspect = (deadline: number, at: number): Belief => ({
  ...common,
  ...{ state: "suspect", accusedAt: 0, deadline, knock: knock(at) },
});
const name = (index: number) => `member-${index}`;
const many = Beliefs.of(Array.from({ length: 100 }, (_, index) => [name(index), alive]));

const anyBelief = fc.oneof(
  fc.constant(alive),
  fc.constant<Belief>({ ...common, state: "left" }),
  fc.nat(100).map(dead),
  fc.tuple(fc.nat(100), fc.nat(100)).map(([deadline, at]) => suspect(deadline, at)),
  fc.nat(100).map((lookAt): Belief => ({ ...alive, lookAt })),
  fc.nat(100).map((at): Belief => ({ ...suspect(at + 5, at), incarnation: 0 })),
);

test("after any changes it holds what a map would hold, and the version before is untouched", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(99), fc.option(anyBelief)), { maxLength: 60 }), (changes) => {
      const model = new Map<string, Belief>([...many]);
      let beliefs = many;
      for (const [index, belief] of changes) {
        const before = [...beliefs];
        const next = belief ? beliefs.with(name(index), belief) : beliefs.without(name(index));
        expect([...beliefs]).toEqual(before);
        beliefs = next;
        if (belief) model.set(name(index), belief);
        else model.delete(name(index));
      }
      expect(new Map(beliefs)).toEqual(model);
      expect(beliefs.size).toBe(model.size);
      expect(beliefs.reachable).toBe([...model.values()].filter(isReachable).length);
      const everybody = [...beliefs].filter(([, one]) => isReachable(one)).map(([id]) => id);
      expect(beliefs.sample({ seed: 1 }, 1_000).sort()).toEqual(everybody.sort());
      const waiting = [...model.values()].map(callAt);
      const next = beliefs.nextCall(50);
      expect(next ? callAt(next[1]) : undefined).toBe(Math.min(...waiting) <= 50 ? Math.min(...waiting) : undefined);
      const urgent = new Set(beliefs.urgent(50).map(([id]) => id));
      for (const [id, one] of model) expect(urgent.has(id)).toBe(isUrgent(one));
    }),
    { numRuns: 50 },
  );
});

function callAt(one: Belief): number {
  if (one.state === "alive") return one.lookAt ?? Number.POSITIVE_INFINITY;
  return one.state === "dead" || (one.state === "suspect" && one.incarnation > 0)
    ? one.knock.at
    : Number.POSITIVE_INFINITY;
}

const isUrgent = (one: Belief): boolean =>
  one.state === "suspect" && (one.deadline <= 50 || (one.incarnation === 0 && one.knock.at <= 50));

test("a sample has no member twice and finds those far behind the unreachable", () => {
  let beliefs = many;
  for (let index = 0; index < 98; index++) beliefs = beliefs.with(name(index), dead(0));
  expect(beliefs.sample({ seed: 1 }, 3).sort()).toEqual([name(98), name(99)]);
  expect(new Set(many.sample({ seed: 3 }, 40)).size).toBe(40);
});

test("one change of a thousand beliefs leaves all other pages shared", () => {
  const thousand = Beliefs.of(Array.from({ length: 1_000 }, (_, index) => [name(index), alive]));
  const next = thousand.with(name(500), dead(0));
  expect(next.pages.filter((page, at) => page !== thousand.pages[at])).toHaveLength(1);
});
