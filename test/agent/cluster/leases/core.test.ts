// Rules of the core that take days, or a member that lies.
import { expect, test } from "vitest";
import { majorityOf, mayCountAgain } from "../../../../agent/cluster/leases/list.ts";
import {
  decodeLeaseMessage,
  encodeLeaseMessage,
  type LeaseMessage,
} from "../../../../agent/cluster/leases/messages.ts";
import type { Effect, Event, Kept, View } from "../../../../agent/cluster/leases/state.ts";
import { begin, step } from "../../../../agent/cluster/leases/step.ts";
import { dayMs, leaseMs } from "../../../../agent/cluster/leases/terms.ts";
import type { State } from "../../../../agent/cluster/news.ts";
import { idOf } from "../../../sim/ink.ts";

const [attic, cellar, kitchen, porch, shed] = [0, 1, 2, 3, 4].map(idOf) as [string, string, string, string, string];
const minute = 60_000;
const claim = (number: number) => `${number}`.padStart(11, "0");

/** One member's core and its clock. */
class Core {
  view: View;
  now = 0;
  effects: Effect[] = [];

  constructor(self: string, kept: Kept | undefined, members: string[]) {
    this.view = begin(self, kept, 1, 0);
    this.do({ kind: "members", ids: members });
  }

  do(event: Event): Effect[] {
    const [view, effects] = step(this.view, event, this.now);
    this.view = view;
    this.effects.push(...effects);
    return effects;
  }

  hear(from: string, message: LeaseMessage): Effect[] {
    return this.do({ kind: "heard", from, message });
  }

  see(state: State, ...ids: string[]): void {
    this.do({ kind: "liveness", states: new Map(ids.map((id) => [id, state])) });
  }

  run(ms: number): void {
    for (const ends = this.now + ms; this.now < ends; ) {
      this.now = Math.min(ends, Math.max(this.now + 1, this.view.dueAt));
      this.do({ kind: "tick" });
    }
  }

  ask(number: number, most = 1): void {
    this.do({ kind: "ask", claim: claim(number), most });
  }

  outcomes(): string[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "granted" || effect.kind === "lost" ? [effect.kind] : effect.kind === "denied" ? [effect.by] : [],
    );
  }
}

const kept = (...voters: string[]): Kept => ({
  list: { founder: attic, number: voters.length, voters: voters.sort() },
  grants: [],
});
const told = (list: Kept["list"], more: Partial<LeaseMessage & { type: "state" }> = {}): LeaseMessage => ({
  ...{ type: "state", list, grants: [], isQuestion: false },
  ...more,
});
const answers = (effects: Effect[]) => effects.flatMap((one) => (one.kind === "send" ? [one.message] : []));
const askOf = (list: Kept["list"], number: number): LeaseMessage => ({
  ...{ type: "ask", claim: claim(number), round: 1, slot: 0 },
  list: { founder: list.founder, number: list.number },
});

test("of two voters one that has been alone for a day goes on alone, and not before", () => {
  const core = new Core(attic, kept(attic, cellar), [cellar]);
  core.see("dead", cellar);
  core.run(dayMs - minute);
  core.ask(1);
  core.run(minute / 2);
  expect(core.view.list.voters).toEqual([attic, cellar]);
  expect(core.outcomes()).toEqual(["noMajority"]);
  core.run(2 * minute);
  expect(core.view.list).toEqual({ founder: attic, number: 3, voters: [attic] });
  core.ask(2);
  expect(core.outcomes().at(-1)).toBe("granted");
});

test("of two voters one goes on at once if an operator has forgotten the other", () => {
  const core = new Core(attic, kept(attic, cellar), [cellar]);
  core.see("dead", cellar);
  core.do({ kind: "ended", ids: [cellar] });
  core.run(2 * minute);
  core.ask(1);
  expect(core.view.list.voters).toEqual([attic]);
  expect(core.outcomes()).toEqual(["granted"]);
});

test("of three voters one alone never goes on, until an operator has forgotten both others", () => {
  const core = new Core(attic, kept(attic, cellar, kitchen), [cellar, kitchen]);
  core.see("dead", cellar, kitchen);
  core.run(3 * dayMs);
  expect(core.view.list.voters).toHaveLength(3);
  core.do({ kind: "ended", ids: [cellar, kitchen] });
  core.run(5 * minute);
  expect(core.view.list.voters).toEqual([attic]);
});

test("a voter whose board has another device now is voted out, but not by a device that may have lost its roster", () => {
  const early = new Core(attic, kept(attic, cellar, kitchen), [cellar]);
  const core = new Core(attic, kept(attic, cellar, kitchen), [cellar]);
  for (const one of [early, core]) {
    one.see("alive", cellar);
    one.now = one === core ? dayMs : minute;
    one.view = { ...one.view, isReady: true };
    one.effects = [];
    one.run(minute);
  }
  const proposed = ({ effects }: Core) => answers(effects).filter(({ type }) => type === "prepare").length;
  expect(proposed(early)).toBe(0);
  expect(proposed(core)).toBeGreaterThan(0);
});

test("a voter that has restarted asks the others before it grants, and takes over what they have granted", () => {
  const { list } = kept(attic, cellar, kitchen);
  const core = new Core(attic, { list, grants: [] }, [cellar, kitchen]);
  core.see("alive", cellar, kitchen);
  core.now = minute;
  const grants = [{ slot: 0, holder: kitchen, claim: claim(9), heldMs: 0, leftMs: 10 * minute }];
  core.hear(cellar, told(list, { grants }));
  expect(answers(core.hear(cellar, askOf(list, 1)))).toMatchObject([{ type: "deny", why: "settling" }]);
  core.hear(kitchen, told(list));
  expect(answers(core.hear(cellar, askOf(list, 2)))).toMatchObject([{ type: "deny", why: "held", holder: kitchen }]);
  expect(answers(core.hear(kitchen, askOf(list, 3)))).toMatchObject([{ type: "grant" }, { type: "state" }]);
});

test("a lease that was given back while a voter had not settled yet is not taken over from what others had said before", () => {
  const { list } = kept(attic, cellar, kitchen);
  const core = new Core(attic, { list, grants: [{ slot: 0, holder: kitchen, claim: claim(9) }] }, [cellar, kitchen]);
  core.see("alive", cellar, kitchen);
  core.now = minute;
  const grants = [{ slot: 0, holder: kitchen, claim: claim(9), heldMs: 0, leftMs: 10 * minute }];
  core.hear(cellar, told(list, { grants }));
  core.hear(kitchen, { type: "free", claim: claim(9) });
  core.hear(kitchen, told(list));
  expect([core.view.isReady, core.view.grants]).toEqual([true, []]);
  expect(answers(core.hear(cellar, askOf(list, 2)))).toMatchObject([{ type: "grant" }]);
});

const hour = 60 * minute;
const savesOf = ({ effects }: Core) => effects.flatMap((effect) => (effect.kind === "save" ? [effect.kept] : []));
/** Its device starts again, with what is on its disk and a clock that begins anew. */
function restarted(before: Core): Core {
  const core = new Core(before.view.self, savesOf(before).at(-1), [...before.view.members]);
  core.see("suspect", ...before.view.members);
  return core;
}

test("a voter that restarts beside one that is dead is ready once that one was silent for a day in all, and says until when it waits", () => {
  const { list } = kept(attic, cellar, kitchen);
  let core = readyVoter();
  core.see("dead", cellar);
  for (let hours = 0; hours < 22; hours++) {
    core.run(hour);
    core.hear(kitchen, told(list));
  }
  core = restarted(core);
  core.see("dead", cellar);
  core.see("alive", kitchen);
  core.run(minute);
  core.hear(kitchen, told(list));
  const [denial] = answers(core.hear(kitchen, askOf(list, 1)));
  expect(denial).toMatchObject({ type: "deny", why: "settling", awaits: cellar });
  const { waitsMs = 0 } = denial as LeaseMessage & { type: "deny" };
  expect(waitsMs).toBeGreaterThan(hour);
  expect(waitsMs).toBeLessThan(3 * hour);
  core.run(waitsMs - minute);
  core.hear(kitchen, told(list));
  expect(core.view.isReady).toBe(false);
  core.run(2 * minute);
  core.hear(kitchen, told(list));
  expect(answers(core.hear(kitchen, askOf(list, 2)))).toMatchObject([{ type: "grant" }]);
  // The dead one was away before: it no longer counts as one that may come back soon, and is voted out.
  expect(answers(core.hear(kitchen, { ...askOf(list, 2), round: 2 } as LeaseMessage))).toMatchObject([{ away: [] }]);
});

test("however long another was silent, an hour of the day must pass after a start, for the disk may be of yesterday", () => {
  const core = new Core(attic, { ...kept(attic, cellar), silentHours: { [cellar]: 23 } }, [cellar]);
  core.see("dead", cellar);
  core.run(hour - minute);
  expect(core.view.list.voters).toEqual([attic, cellar]);
  core.run(2 * minute);
  expect(core.view.list.voters).toEqual([attic]);
});

test("of two voters one that restarts each day goes on alone all the same", () => {
  let core = new Core(attic, kept(attic, cellar), [cellar]);
  core.see("dead", cellar);
  for (let times = 0; times < 3 && core.view.list.voters.length > 1; times++) {
    core.run(20 * hour);
    if (core.view.list.voters.length > 1) core = restarted(core);
    core.see("dead", cellar);
  }
  expect(core.view.list.voters).toEqual([attic]);
});

test("that another is silent costs a save an hour, for a day, and is forgotten once it is back", () => {
  const core = readyVoter();
  core.effects = [];
  core.run(12 * hour);
  core.see("dead", cellar, kitchen);
  core.effects = [];
  core.run(3 * dayMs);
  expect(savesOf(core).length).toBeGreaterThan(10);
  expect(savesOf(core).length).toBeLessThanOrEqual(25);
  core.see("alive", cellar, kitchen);
  for (const id of [cellar, kitchen]) core.hear(id, told(core.view.list));
  core.run(minute);
  expect(Object.keys(savesOf(core).at(-1)?.silentHours ?? {})).not.toContain(cellar);
});

test("a voter that heard another only before it was settled waits no longer than a day for it", () => {
  const { list } = kept(attic, cellar, kitchen);
  const core = new Core(attic, { list, grants: [] }, [cellar, kitchen]);
  core.hear(cellar, told(list));
  core.see("dead", cellar);
  core.see("alive", kitchen);
  for (let hours = 0; hours < 25; hours++) {
    core.run(hour);
    core.hear(kitchen, told(list));
  }
  expect(core.view.isReady).toBe(true);
});

test("who asks hears on whom the voters wait that it still needs, and until when", () => {
  const voters = [attic, cellar, kitchen, porch, shed];
  const { list } = kept(...voters);
  const core = new Core(attic, { list, grants: [] }, voters.slice(1));
  core.view = { ...core.view, isReady: true };
  core.ask(1);
  const deny = { type: "deny", claim: claim(1), round: 1, why: "settling" } as const;
  core.hear(cellar, { ...deny, awaits: shed, waitsMs: 3 * hour });
  core.hear(kitchen, { ...deny, awaits: porch, waitsMs: 2 * hour });
  core.hear(porch, { type: "deny", claim: claim(1), round: 1, why: "settling" });
  expect(core.effects.filter(({ kind }) => kind === "denied")).toMatchObject([
    { by: "settling", awaits: shed, untilMs: 3 * hour },
  ]);
});

function readyVoter(): Core {
  const { list } = kept(attic, cellar, kitchen);
  const core = new Core(attic, { list, grants: [] }, [cellar, kitchen, porch, shed]);
  core.see("alive", cellar, kitchen);
  core.now = minute;
  for (const other of [cellar, kitchen]) core.hear(other, told(list));
  return core;
}

test("a voter writes its grant before it answers, and a renewal costs no write", () => {
  const core = readyVoter();
  const { list } = core.view;
  expect(core.hear(cellar, askOf(list, 1)).map(({ kind }) => kind)).toEqual(["save", "send"]);
  expect(core.hear(cellar, { ...askOf(list, 1), round: 2 } as LeaseMessage).map(({ kind }) => kind)).toEqual(["send"]);
});

test("a late asking of a claim that was given back is not granted", () => {
  const core = readyVoter();
  const { list } = core.view;
  core.hear(cellar, { type: "free", claim: claim(1) });
  expect(core.hear(cellar, askOf(list, 1))).toEqual([]);
  expect(core.view.grants).toEqual([]);
});

test("an asking that comes late, and its end, take nothing from a newer claim of the same holder", () => {
  const core = readyVoter();
  const { list } = core.view;
  const granted = (effects: Effect[]) => answers(effects).map(({ type }) => type);
  expect(granted(core.hear(cellar, askOf(list, 2)))).toContain("grant");
  core.hear(cellar, askOf(list, 1));
  core.hear(cellar, { type: "free", claim: claim(1) });
  expect(granted(core.hear(kitchen, askOf(list, 3)))).toEqual(["deny"]);
  core.hear(cellar, { type: "free", claim: claim(2) });
  expect(granted(core.hear(kitchen, askOf(list, 4)))).toContain("grant");
});

test("a holder that asks anew after a restart hears which older claim a voter keeps for it, and gives that back", () => {
  const voter = readyVoter();
  const { list } = voter.view;
  voter.hear(cellar, askOf(list, 1));
  const holder = new Core(cellar, { list, grants: [] }, [attic, kitchen]);
  const stateIn = (effects: Effect[]) => answers(effects).find(({ type }) => type === "state")!;
  const freedIn = (effects: Effect[]) => answers(effects).filter(({ type }) => type === "free");
  // Before it asks, it gives nothing back: it is away under that lease.
  expect(freedIn(holder.hear(attic, stateIn(voter.hear(cellar, told(list, { isQuestion: true })))))).toEqual([]);
  holder.ask(2);
  const freed = freedIn(holder.hear(attic, stateIn(voter.hear(cellar, askOf(list, 2)))));
  expect(freed).toEqual([{ type: "free", claim: claim(1) }]);
  for (const message of freed) voter.hear(cellar, message);
  expect(voter.view.grants.map((grant) => grant.claim)).toEqual([claim(2)]);
});

test("a device that is back gives back every asking of it, also as a voter of its own, and what voters tell of later", () => {
  const { list } = kept(attic, cellar, kitchen);
  const mine = { slot: 0, holder: attic, claim: claim(1) };
  const core = new Core(attic, { list, grants: [mine], held: { slot: 0, claim: claim(1) } }, [cellar, kitchen]);
  core.see("alive", cellar, kitchen);
  core.now = minute;
  const toldOf = (...numbers: number[]) =>
    told(list, { grants: numbers.map((one) => ({ ...mine, claim: claim(one), heldMs: 0, leftMs: 10 * minute })) });
  const freedIn = (effects: Effect[]) =>
    effects.flatMap((one) => (one.kind === "send" && one.message.type === "free" ? [[one.to, one.message.claim]] : []));
  // It asked again after the restart, and too few have heard that.
  core.ask(2);
  expect(freedIn(core.hear(cellar, toldOf(1, 3)))).toEqual([]);
  const effects = core.do({ kind: "giveBack" });
  expect(freedIn(effects).sort()).toEqual(
    [1, 2, 3]
      .flatMap((one) => [
        [cellar, claim(one)],
        [kitchen, claim(one)],
      ])
      .sort(),
  );
  expect([core.outcomes().at(-1), core.view.grants, core.view.held]).toEqual(["noMajority", [], undefined]);
  expect(freedIn(core.hear(kitchen, toldOf(4)))).toEqual([[kitchen, claim(4)]]);
  core.ask(5);
  expect(freedIn(core.hear(kitchen, toldOf(4)))).toEqual([]);
});

test("a holder that asks with ever new claims takes up a bounded number", () => {
  const core = readyVoter();
  const { list } = core.view;
  for (let number = 1; number < 50; number++) core.hear(cellar, askOf(list, number));
  expect(core.view.grants).toHaveLength(3);
});

test("a lease that another gave back in its holder's name is renewed all the same, also after a flood of such words", () => {
  const core = readyVoter();
  const { list } = core.view;
  core.hear(cellar, askOf(list, 1));
  core.hear(kitchen, { type: "free", claim: claim(1) });
  expect(answers(core.hear(cellar, { ...askOf(list, 1), round: 2 } as LeaseMessage))).toMatchObject([
    { type: "grant" },
  ]);
  core.hear(cellar, { type: "free", claim: claim(1) });
  for (let number = 2; number < 200; number++) core.hear(kitchen, { type: "free", claim: claim(number) });
  expect(core.hear(cellar, askOf(list, 1))).toEqual([]);
});

test("only its holder gives a lease back", () => {
  const core = readyVoter();
  core.hear(cellar, askOf(core.view.list, 1));
  core.hear(kitchen, { type: "free", claim: claim(1) });
  expect(core.view.grants).toHaveLength(1);
});

test("a member that never gives its lease back keeps it for two hours at most", () => {
  const core = readyVoter();
  const { list } = core.view;
  const ends = core.now + 6 * leaseMs;
  for (let round = 1; core.now <= ends; round++, core.now += 10 * minute)
    expect(answers(core.hear(cellar, { ...askOf(list, 1), round } as LeaseMessage))).toMatchObject([{ type: "grant" }]);
  core.now += minute;
  expect(answers(core.hear(cellar, askOf(list, 1)))).toMatchObject([{ type: "deny", why: "held" }]);
});

test("a voter grants nothing while a list that it accepted is undecided, and accepts none while a lease lasts", () => {
  const core = readyVoter();
  const { list } = core.view;
  const named = { founder: list.founder, number: list.number };
  const accept = { type: "accept", list: named, ballot: [1, cellar], change: { op: "add", id: porch } } as const;
  core.hear(kitchen, askOf(list, 1));
  expect(core.hear(cellar, accept)).toEqual([]);
  core.hear(kitchen, { type: "free", claim: claim(1) });
  core.hear(cellar, accept);
  expect(core.view.accepted?.change.id).toBe(porch);
  expect(answers(core.hear(kitchen, askOf(list, 2)))).toMatchObject([{ type: "deny", why: "settling" }]);
});

test("one member's word moves no list of three, and stops a voter no longer than two hours", () => {
  const core = readyVoter();
  const { list } = core.view;
  core.see("alive", porch);
  const lie = told({ founder: idOf(9), number: 50, voters: [porch] });
  const higher = told({ ...list, number: 50, voters: [porch] });
  expect(idOf(9) > list.founder).toBe(true);
  core.hear(porch, told({ founder: attic, number: 50, voters: [attic, porch, shed] }));
  expect(core.view.list).toEqual(list);
  core.hear(porch, lie);
  expect(answers(core.hear(cellar, askOf(list, 1)))).toMatchObject([{ type: "deny", why: "settling" }]);
  for (let minutes = 0; minutes < 121; minutes++) {
    core.now += minute;
    core.hear(porch, lie);
  }
  expect(answers(core.hear(cellar, askOf(list, 2)))).toMatchObject([{ type: "grant" }]);
  core.hear(porch, higher);
  expect(core.view.list).toEqual(list);
});

test("who is no voter's member is not heard", () => {
  const core = readyVoter();
  expect(core.hear(idOf(20), askOf(core.view.list, 1))).toEqual([]);
});

test("two may hold a lease at once where a rollout allows two, and a third may not", () => {
  const cores = [attic, cellar, kitchen].map((self) => {
    const { list } = kept(attic, cellar, kitchen);
    const core = new Core(
      self,
      { list, grants: [] },
      [attic, cellar, kitchen].filter((id) => id !== self),
    );
    core.view = { ...core.view, isReady: true };
    return core;
  });
  const deliver = () => {
    for (let rounds = 0; rounds < 20; rounds++) {
      for (const core of cores) {
        for (const effect of core.effects.splice(0)) {
          if (effect.kind === "send")
            cores.find(({ view }) => view.self === effect.to)?.hear(core.view.self, effect.message);
          else if (effect.kind === "granted") results.push([core.view.self, effect.kind, effect.slot]);
          else if (effect.kind !== "save") results.push([core.view.self, effect.kind]);
        }
      }
    }
  };
  const results: (string | number)[][] = [];
  for (const [index, core] of cores.entries()) {
    core.ask(index + 1, 2);
    deliver();
  }
  expect(results).toEqual([
    [attic, "granted", 0],
    [cellar, "granted", 1],
    [kitchen, "denied"],
  ]);
});

test("a member that made itself the only voter stops nobody once it is revoked, also where others still tell of its list", () => {
  const core = new Core(attic, kept(attic, cellar), [cellar, kitchen]);
  core.see("alive", cellar, kitchen);
  const taken = { founder: attic, number: 3, voters: [cellar] };
  core.hear(cellar, told(taken));
  expect(core.view.list).toEqual(taken);
  core.do({ kind: "ended", ids: [cellar] });
  core.do({ kind: "members", ids: [kitchen] });
  const anew = { founder: attic, number: 1, voters: [attic] };
  expect(core.view.list).toEqual(anew);
  core.hear(kitchen, told(taken));
  expect(core.view.list).toEqual(anew);
  core.run(leaseMs - minute);
  core.hear(kitchen, told(anew));
  core.ask(1);
  core.run(minute / 2);
  core.run(2 * minute);
  core.hear(kitchen, told(anew));
  core.ask(2);
  expect(core.outcomes()).toEqual(["settling", "granted"]);
});

test("nobody follows voters that nobody knows: they would outlast the member that made them up", () => {
  for (const list of [kept(attic).list, kept(attic, cellar).list]) {
    const core = new Core(attic, { list, grants: [] }, [cellar, kitchen]);
    core.see("alive", cellar, kitchen);
    const madeUp = [kitchen, idOf(20), idOf(21)];
    for (const founder of [attic, idOf(9)]) core.hear(kitchen, told({ founder, number: 50, voters: madeUp }));
    expect(core.view.list).toEqual(list);
  }
});

test("no list is followed whose number leaves no room for changes", () => {
  const core = new Core(attic, kept(attic, cellar), [cellar]);
  core.see("alive", cellar);
  for (const founder of [attic, cellar]) core.hear(cellar, told({ founder, number: 2 ** 48, voters: [attic, cellar] }));
  expect(core.view.list.number).toBe(2);
  core.hear(cellar, told({ founder: attic, number: 900, voters: [attic, cellar] }));
  expect(core.view.list.number).toBe(900);
});

const overTheWire = (message: LeaseMessage) => decodeLeaseMessage(Buffer.from(encodeLeaseMessage(message)));

/** Voters that hear each other at once; `evil` answers by itself and says to each what it likes. */
function parliament(evil: string, voters: string[], newcomers: string[]) {
  const { list } = kept(...voters);
  const everybody = [...voters, ...newcomers];
  const cores = everybody
    .filter((id) => id !== evil)
    .map((self) => {
      const own = voters.includes(self) ? { list, grants: [] } : undefined;
      const core = new Core(
        self,
        own,
        everybody.filter((id) => id !== self),
      );
      core.see("alive", ...everybody.filter((id) => id !== self));
      core.view = { ...core.view, isReady: true };
      return core;
    });
  const say = (message: LeaseMessage) => {
    for (const core of cores) core.hear(evil, message);
  };
  /** `answer`: of the hostile one, to whatever it hears. */
  const run = (ms: number, answer: (message: LeaseMessage) => LeaseMessage | undefined = () => undefined) => {
    for (let left = ms; left > 0; left -= 500) {
      for (const core of cores) core.run(500);
      for (let round = 0; round < 4; round++)
        for (const core of cores)
          for (const effect of core.effects.splice(0)) {
            if (effect.kind !== "send") continue;
            const message = overTheWire(effect.message);
            const said = effect.to === evil && message ? answer(message) : undefined;
            if (said) core.hear(evil, said);
            if (message) cores.find(({ view }) => view.self === effect.to)?.hear(core.view.self, message);
          }
    }
  };
  return { list, cores, say, run };
}

test.each([
  ["a voter", shed, [attic, cellar, kitchen, shed]],
  ["no voter", shed, [attic, cellar, kitchen]],
])("%s that proposes by the last round there is, or boasts of it, keeps no list from changing", (_, evil, voters) => {
  const { list, cores, say, run } = parliament(evil, voters, [porch, ...(voters.includes(evil) ? [] : [evil])]);
  const named = { founder: list.founder, number: list.number };
  const last: [number, string] = [0xffff_ffff, evil];
  say({ type: "prepare", list: named, ballot: last });
  say({ type: "accept", list: named, ballot: last, change: { op: "remove", id: cellar } });
  say(told(list, { promised: last }));
  run(2 * minute);
  for (const { view } of cores) {
    expect(view.list.voters).toEqual(expect.arrayContaining([attic, cellar, kitchen, porch]));
    expect(view.promised?.[0] ?? 0).toBeLessThan(10_000);
  }
});

test("a voter that pushes one of the others far ahead, round by round, parts it from none of them", () => {
  const { list, cores, run } = parliament(shed, [attic, cellar, shed], [porch]);
  const named = { founder: list.founder, number: list.number };
  for (let round = 1; round <= 40; round++)
    cores[0]!.hear(shed, { type: "prepare", list: named, ballot: [round * 1_000, shed] });
  run(6 * minute);
  for (const { view } of cores) expect(view.list.voters).toContain(porch);
});

test("a voter that says each time that it has promised more keeps no list from changing", () => {
  const { list, cores, run } = parliament(shed, [attic, cellar, kitchen, shed], [porch]);
  run(2 * minute, (message) =>
    message.type === "prepare" ? told(list, { promised: [message.ballot[0] + 1, shed] }) : undefined,
  );
  for (const { view } of cores) expect(view.list.voters).toContain(porch);
});

test("what was promised to a voter that is gone for good binds nobody, after a restart neither", () => {
  const { list } = kept(attic, cellar, kitchen);
  const core = new Core(attic, { list, grants: [], promised: [0xffff_fffe, kitchen] }, [cellar]);
  core.do({ kind: "ended", ids: [kitchen] });
  expect(core.view.promised).toBeUndefined();
});

test("a member that comes and goes and never tells of its list stops nobody for longer than one that stays, until it has told", () => {
  const core = readyVoter();
  const { list } = core.view;
  let number = 0;
  const isSettling = () => {
    core.hear(cellar, told(list));
    const [answer] = answers(core.hear(cellar, askOf(list, ++number)));
    core.hear(cellar, { type: "free", claim: claim(number) });
    return answer?.type === "deny";
  };
  const comeAndGo = () => {
    core.see("suspect", porch);
    core.now += 1_000;
    core.see("alive", porch);
    core.now += 2 * minute;
  };
  comeAndGo();
  expect(isSettling()).toBe(true);
  for (let times = 0; times < 2; times++) comeAndGo();
  for (let times = 0; times < 20; times++) {
    expect(isSettling()).toBe(false);
    comeAndGo();
  }
  core.hear(porch, told(list));
  comeAndGo();
  expect(isSettling()).toBe(true);
});

test("a voter that was given up counts again only where each majority without it meets each majority with it", () => {
  const majorities = (all: string[], from: string[]) =>
    subsetsOf(from).filter(({ length }) => length >= majorityOf(all.length));
  const meet = (one: string[], other: string[]) => one.some((id) => other.includes(id));
  for (let size = 1; size <= 6; size++) {
    const voters = Array.from({ length: size }, (_, at) => idOf(at));
    for (const gone of subsetsOf(voters).filter((some) => some.includes(attic))) {
      const without = voters.filter((id) => !gone.includes(id));
      const withIt = [...without, attic];
      const areSafe = majorities(without, without).every((one) =>
        majorities(withIt, withIt).every((other) => meet(one, other)),
      );
      if (mayCountAgain(voters, attic, new Set(gone))) expect(areSafe).toBe(true);
      expect(mayCountAgain(voters, attic, new Set(gone))).toBe(gone.length === 1);
    }
    expect(mayCountAgain(voters, idOf(9), new Set(voters))).toBe(true);
  }
});

const subsetsOf = (ids: string[]): string[][] =>
  Array.from({ length: 2 ** ids.length }, (_, bits) => ids.filter((__, at) => (bits >> at) & 1));
