import { expect, test } from "vitest";
import { type Contacts, type Effect, type Event, step } from "../../../agent/discovery/greeting.ts";
import type { Neighbor } from "../../../agent/discovery/neighbors.ts";

const neighbor = (id: string, over: Partial<Neighbor> = {}): Neighbor => ({
  ...{ id, address: `192.0.2.${id.length}`, port: 7780, via: "mdns", epoch: "1" },
  ...over,
});
/** Plays events at their times; random stays in the middle. Gives all greetings as `time key address`. */
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

test("a neighbor is greeted once, however often it is heard", () => {
  const { greeted } = play([0, hint("a")], [1, hint("a")], [2, answered("a")], [3, hint("a")], [60_000, hint("a")]);
  expect(greeted).toEqual(["0 a 192.0.2.1"]);
});

test("a second address of somebody met is no news; another epoch is", () => {
  const { greeted } = play(
    [0, hint("a")],
    [1, answered("a")],
    [2, hint("a", { address: "fe80::1%eth0" })],
    [3, hint("a", { epoch: "2" })],
  );
  expect(greeted).toEqual(["0 a 192.0.2.1", "3 a fe80::1%eth0"]);
});

test("who does not answer is tried again, ever more rarely, at each of its addresses in turn", () => {
  const { greeted } = play(
    [0, hint("a")],
    [0, failed("a")],
    [374, tick],
    [375, tick],
    [375, hint("a", { address: "fe80::1%eth0" })],
    [375, failed("a")],
    [1_124, tick],
    [1_125, tick],
  );
  expect(greeted).toEqual(["0 a 192.0.2.1", "375 a 192.0.2.1", "1125 a fe80::1%eth0"]);
});

test("the wait has a ceiling of a minute", () => {
  let contacts: Contacts = new Map();
  [contacts] = step(contacts, hint("a"), 0, 0.999);
  for (let n = 0; n < 30; n++) {
    [contacts] = step(contacts, failed("a"), n * 60_000, 0.999);
    const [, early] = step(contacts, tick, n * 60_000 + 100, 0);
    expect(early).toEqual([]);
    let effects: Effect[];
    [contacts] = step(contacts, hint("a"), n * 60_000 + 59_000, 0);
    [contacts, effects] = step(contacts, tick, (n + 1) * 60_000, 0);
    if (contacts.get("a")?.phase !== "greeting")
      throw new Error(`not greeted after a minute, attempt ${n}: ${effects}`);
  }
});

test("four at a time, the others as hands become free", () => {
  const hints = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff"].map((id): [number, Event] => [0, hint(id)]);
  expect(play(...hints).greeted).toHaveLength(4);
  expect(play(...hints, [5, answered("bb")]).greeted.at(-1)).toBe("5 eeeee 192.0.2.5");
});

test("again greets the one asked for, also when its greeting was under way", () => {
  const met: [number, Event][] = [
    [0, hint("a")],
    [0, hint("bb")],
    [1, answered("a")],
  ];
  expect(play(...met, [2, { kind: "again", key: "a" }]).greeted.slice(2)).toEqual(["2 a 192.0.2.1"]);
  const both = play(...met, [2, { kind: "again" }], [3, answered("bb")]);
  expect(both.greeted.slice(2)).toEqual(["2 a 192.0.2.1", "3 bb 192.0.2.2"]);
});

test("a seed is known by its place", () => {
  const seed: Event = { kind: "hint", neighbor: { address: "203.0.113.5", port: 7780, via: "seed" } };
  expect(play([0, seed], [1, seed]).greeted).toEqual(["0 203.0.113.5 7780 203.0.113.5"]);
});

test("the silent are forgotten, and forged ids do not fill the memory", () => {
  const forged = Array.from({ length: 5_000 }, (_, n): [number, Event] => [0, hint(`forged${n}`)]);
  expect(play(...forged).contacts.size).toBe(256);
  const gone = play([0, hint("a")], [1, answered("a")], [30 * 60_000, tick]);
  expect(gone.contacts.size).toBe(0);
});

test("forged neighbors that never answer keep no real one waiting", () => {
  const forged = Array.from({ length: 256 }, (_, n): [number, Event] => [0, hint(`forged${n}`)]);
  const busy = play(...forged).greeted.map((line) => line.split(" ")[1]!);
  const { greeted } = play(...forged, [1, failed(busy[0]!)], [2, failed(busy[1]!)], [1_000, hint("attic")]);
  const later = play(
    ...forged,
    [1, failed(busy[0]!)],
    [1_000, hint("attic")],
    ...busy.slice(1).map((key): [number, Event] => [1_001, failed(key)]),
  );
  expect(greeted).toHaveLength(6);
  expect(later.contacts.has("attic")).toBe(true);
});

test("a newcomer is greeted by the next free hand, though forged ones wait in every place", () => {
  const forged = Array.from({ length: 300 }, (_, n): [number, Event] => [0, hint(`forged${n}`)]);
  const met: [number, Event][] = [
    [0, hint("cellar")],
    [0, answered("cellar")],
  ];
  const { greeted, contacts } = play(...met, ...forged, [1_000, hint("attic")], [5_000, failed("forged0")]);
  expect(greeted.at(-1)).toMatch(/^5000 attic /);
  expect(contacts.size).toBe(256);
  expect(contacts.get("cellar")?.phase).toBe("met");
});

test("a member that is to be greeted again neither makes room for forged ones nor waits behind them", () => {
  const forged = Array.from({ length: 300 }, (_, n): [number, Event] => [1, hint(`forged${n}`)]);
  const met: [number, Event][] = [
    [0, hint("cellar")],
    [0, answered("cellar")],
  ];
  const again: Event = { kind: "again", key: "cellar" };
  const later = Array.from({ length: 300 }, (_, n): [number, Event] => [3, hint(`more${n}`)]);
  const { greeted } = play(...met, ...forged, [2, again], ...later, [5_000, failed("forged0")]);
  expect(greeted.at(-1)).toMatch(/^5000 cellar /);
});

test("an outcome that nobody waits for changes nothing", () => {
  const { contacts, greeted } = play([0, answered("a")], [0, failed("a")]);
  expect([contacts.size, greeted]).toEqual([0, []]);
});
