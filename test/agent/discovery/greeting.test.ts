import { expect, test } from "vitest";
import { type Contacts, type Effect, type Event, step } from "../../../agent/discovery/greeting.ts";
import { type Neighbor, Neighbors } from "../../../agent/discovery/neighbors.ts";

const neighbor = (id: string, over: Partial<Neighbor> = {}): Neighbor => ({
  ...{ id, address: `192.0.2.${id.length}`, port: 7780, via: "mdns", epoch: "1" },
  ...over,
});
/** Plays events at their times, with random always 0.5. Returns all greetings as `time key address`. */
function play(...events: [at: number, event: Event][]): { contacts: Contacts; greeted: string[] } {
  let contacts: Contacts = new Map();
  const greeted: string[] = [];
  for (const [at, event] of events) {
    let effects: Effect[];
    [contacts, effects] = step(contacts, event, at, 0.5);
    greeted.push(...effects.map(({ key, address }) => `${at} ${key} ${address}`));
  }
  return { contacts, greeted };
}
const hint = (id: string, over: Partial<Neighbor> = {}): Event => ({ kind: "hint", neighbor: neighbor(id, over) });
const answered = (key: string): Event => ({ kind: "answered", key });
const failed = (key: string): Event => ({ kind: "failed", key });
const tick: Event = { kind: "tick" };
/** The first contact with this key. */
const phaseOf = (contacts: Contacts, key: string) =>
  [...contacts.values()].find((contact) => contact.key === key)?.phase;

test("greets a neighbor once, however many hints name it", () => {
  const { greeted } = play([0, hint("a")], [1, hint("a")], [2, answered("a")], [3, hint("a")], [60_000, hint("a")]);
  expect(greeted).toEqual(["0 a 192.0.2.1"]);
});

test("greets again after another epoch, not after a second address", () => {
  const { greeted } = play(
    [0, hint("a")],
    [1, answered("a")],
    [2, hint("a", { address: "fe80::1%eth0" })],
    [3, hint("a", { epoch: "2" })],
  );
  expect(greeted).toEqual(["0 a 192.0.2.1", "3 a 192.0.2.1"]);
});

test("retries a silent neighbor ever more rarely, and at another address at once", () => {
  const { greeted } = play(
    [0, hint("a")],
    [0, failed("a")],
    [374, tick],
    [375, tick],
    [375, hint("a", { address: "fe80::1%eth0" })],
    [375, failed("a")],
    [400, failed("a")],
    [774, tick],
    [775, tick],
    [800, failed("a")],
    [1_125, tick],
  );
  expect(greeted.slice(0, 2)).toEqual(["0 a 192.0.2.1", "375 a 192.0.2.1"]);
  expect(greeted.slice(2)).toEqual(["375 a fe80::1%eth0", "775 a fe80::1%eth0", "1125 a 192.0.2.1"]);
});

test("whoever the root has let in is greeted at once, although it refused before, also if a greeting is under way", () => {
  const refused: [number, Event][] = [
    [0, hint("a")],
    [1, failed("a")],
  ];
  expect(play(...refused, [2, { kind: "welcome", key: "a" }]).greeted.slice(1)).toEqual(["2 a 192.0.2.1"]);
  expect(play(...refused, [2, { kind: "welcome", key: "b" }]).greeted.slice(1)).toEqual([]);
  const underWay = play([0, hint("a")], [1, { kind: "welcome" }], [2, failed("a")]);
  expect(underWay.greeted.slice(1)).toEqual(["2 a 192.0.2.1"]);
});

test("waits at most a minute between retries", () => {
  let contacts: Contacts = new Map();
  [contacts] = step(contacts, hint("a"), 0, 0.999);
  for (let n = 0; n < 30; n++) {
    [contacts] = step(contacts, failed("a"), n * 60_000, 0.999);
    const [, early] = step(contacts, tick, n * 60_000 + 100, 0);
    expect(early).toEqual([]);
    let effects: Effect[];
    [contacts] = step(contacts, hint("a"), n * 60_000 + 59_000, 0);
    [contacts, effects] = step(contacts, tick, (n + 1) * 60_000, 0);
    if (phaseOf(contacts, "a") !== "greeting") throw new Error(`not greeted after a minute, attempt ${n}: ${effects}`);
  }
});

test("greets thirty-two strangers at a time, the others as slots become free, and four devices met before besides", () => {
  const hints = Array.from({ length: 40 }, (_, n): [number, Event] => [0, hint(`n${n}`, { address: `10.0.0.${n}` })]);
  expect(play(...hints).greeted).toHaveLength(32);
  expect(play(...hints, [5, answered("n3")]).greeted).toHaveLength(33);
  const met: [number, Event][] = [
    [0, hint("cellar")],
    [0, answered("cellar")],
  ];
  const { greeted } = play(...met, ...hints, [1, { kind: "again", key: "cellar" }]);
  expect(greeted.at(-1)).toMatch(/^1 cellar /);
});

test("greets a named device again, even if its greeting was under way", () => {
  const met: [number, Event][] = [
    [0, hint("a")],
    [0, hint("bb")],
    [1, answered("a")],
  ];
  expect(play(...met, [2, { kind: "again", key: "a" }]).greeted.slice(2)).toEqual(["2 a 192.0.2.1"]);
  const both = play(...met, [2, { kind: "again" }], [3, answered("bb")]);
  expect(both.greeted.slice(2)).toEqual(["2 a 192.0.2.1", "3 bb 192.0.2.2"]);
});

test("knows a seed by its place", () => {
  const seed: Event = { kind: "hint", neighbor: { address: "203.0.113.5", port: 7780, via: "seed" } };
  expect(play([0, seed], [1, seed]).greeted).toEqual(["0 203.0.113.5 7780 203.0.113.5"]);
});

test("forgets the silent, and bounds what forged ids can fill", () => {
  const forged = Array.from({ length: 5_000 }, (_, n): [number, Event] => [
    0,
    hint(`forged${n}`, { address: `fe80::${n}` }),
  ]);
  expect(play(...forged).contacts.size).toBe(256);
  const gone = play([0, hint("a")], [1, answered("a")], [30 * 60_000, tick]);
  expect(gone.contacts.size).toBe(0);
});

/** Forged neighbors, each at its own address. */
const forge = (prefix: string, count: number, at: number) =>
  Array.from({ length: count }, (_, n): [number, Event] => [at, hint(`${prefix}${n}`, { address: `fe80::${n}` })]);

test("greets a newcomer in the next free slot, though forged contacts wait in every place", () => {
  const met: [number, Event][] = [
    [0, hint("cellar")],
    [0, answered("cellar")],
  ];
  const { greeted, contacts } = play(
    ...met,
    ...forge("forged", 300, 0),
    [1_000, hint("attic")],
    [5_000, failed("forged0")],
  );
  expect(greeted.at(-1)).toMatch(/^5000 attic /);
  expect(contacts.size).toBe(256);
  expect(phaseOf(contacts, "cellar")).toBe("met");
});

test("a member to greet again neither makes room for forged contacts nor waits behind them", () => {
  const met: [number, Event][] = [
    [0, hint("cellar")],
    [0, answered("cellar")],
  ];
  const again: Event = { kind: "again", key: "cellar" };
  const { greeted, contacts } = play(...met, ...forge("forged", 300, 1), [2, again], ...forge("more", 300, 3));
  expect(greeted.at(-1)).toMatch(/^2 cellar /);
  expect(phaseOf(contacts, "cellar")).toBe("greeting");
});

test("one host that claims endless ids gets four places and two slots", () => {
  const claims = Array.from({ length: 500 }, (_, n): [number, Event] => [n, hint(`n${n}`, { address: "192.0.2.66" })]);
  const { contacts, greeted } = play([0, hint("attic")], ...claims);
  expect(greeted).toHaveLength(1 + 2);
  expect(contacts.size).toBeLessThanOrEqual(1 + 2 + 4);
});

test("greets a neighbor first where it answered before, whatever forged hints say", () => {
  const forged = Array.from({ length: 50 }, (_, n): [number, Event] => [
    10 + n,
    hint("attic", { address: `fe80::${n}`, epoch: `${n + 2}` }),
  ]);
  const { contacts, greeted } = play([0, hint("attic")], [1, answered("attic")], ...forged);
  expect(greeted).toEqual(["0 attic 192.0.2.5", "10 attic 192.0.2.5"]);
  expect(phaseOf(contacts, "attic")).toBe("greeting");
});

/** Announces under many ids and from many addresses, none of which ever answers. */
type Forger = { perSecond: number; stallMs: number; announce(n: number): { id: string; address: string } };
const forgers: [string, Omit<Forger, "perSecond" | "stallMs">][] = [
  ["a new id from a new address each time", { announce: (n) => ({ id: `forged${n}`, address: `fe80::a:${n}` }) }],
  ["each id three times", { announce: (n) => ({ id: `forged${(n / 3) | 0}`, address: `fe80::a:${(n / 3) | 0}` }) }],
  ["a hundred ids over and over", { announce: (n) => ({ id: `forged${n % 100}`, address: `fe80::a:${n % 100}` }) }],
  ["the newcomer's own id, from elsewhere", { announce: (n) => ({ id: "honest", address: `fe80::a:${n}` }) }],
  ["new ids from the newcomer's own address", { announce: (n) => ({ id: `forged${n}`, address: "192.0.2.1" }) }],
];

/** How long after its first announcement a real newcomer is greeted at its address, in ms. */
function waitOf({ perSecond, stallMs, announce }: Forger, seed: number): number {
  let state = seed;
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
    return state / 0x8000_0000;
  };
  let contacts: Contacts = new Map();
  const table = new Neighbors();
  let ends: { at: number; event: Event }[] = [];
  const startsAt = 12_000 + random() * 1_000;
  let greetedAt: number | undefined;
  let now = 0;
  const happen = (event: Event) => {
    let effects: Effect[];
    [contacts, effects] = step(contacts, event, now, random());
    for (const { key, address, port } of effects) {
      // For whatever id: at this address the newcomer itself gets our hello, and answers.
      const isReal = address === "192.0.2.1" && now >= startsAt;
      if (isReal) greetedAt ??= now;
      ends.push({
        at: now + (isReal ? 5 : stallMs),
        event: { kind: isReal ? "answered" : "failed", key, place: { address, port } },
      });
    }
  };
  const announcing = (id: string, address: string, epoch: string) => {
    const sighting = { v: "1" as const, n: "0011aabb", id, name: "porch", p: 7780, e: epoch, isGoodbye: false };
    const heard = table.sight(sighting, address, now);
    if (heard) happen({ kind: "hint", neighbor: heard });
  };
  let [count, nextForged, nextHonest] = [0, 0, startsAt];
  for (; greetedAt === undefined && now < startsAt + 120_000; now += 5) {
    const ended = ends.filter(({ at }) => at <= now);
    ends = ends.filter(({ at }) => at > now);
    for (const { event } of ended) happen(event);
    for (; perSecond > 0 && nextForged <= now; nextForged += 1_000 / perSecond) {
      const { id, address } = announce(count++);
      announcing(id, address, "1");
    }
    if (now >= nextHonest) {
      // The library announces three times, then answers each question.
      nextHonest += now - startsAt < 3_000 ? 1_000 : 30_000 + random() * 60_000;
      announcing("honest", "192.0.2.1", "7");
    }
    if (now % 250 === 0) happen(tick);
  }
  return (greetedAt ?? Number.POSITIVE_INFINITY) - startsAt;
}

test.each(forgers)("g1-greeter: a newcomer is greeted within seconds, though a forger sends %s", (what, forger) => {
  for (const [perSecond, stallMs] of [
    [10, 5_000],
    [50, 3_000],
  ] as const) {
    const waits = Array.from({ length: 5 }, (_, seed) => waitOf({ perSecond, stallMs, ...forger }, seed + 1));
    const [median, worst] = [waits.toSorted((a, b) => a - b)[2]!, Math.max(...waits)];
    console.log(
      `${what}, ${perSecond}/s, ${stallMs} ms each: median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms`,
    );
    expect(median).toBeLessThan(6_000);
  }
});

test("g1-greeter: without a forger, a newcomer is greeted at once", () => {
  expect(waitOf({ perSecond: 0, stallMs: 5_000, announce: () => ({ id: "", address: "" }) }, 1)).toBeLessThanOrEqual(
    10,
  );
});

test("an outcome of no pending greeting changes nothing", () => {
  const { contacts, greeted } = play([0, answered("a")], [0, failed("a")]);
  expect([contacts.size, greeted]).toEqual([0, []]);
});
