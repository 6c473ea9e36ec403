// Simulates whole neighborhoods: hours take seconds, and every run is the same.
import { expect, test } from "vitest";
import { DATAGRAM_BYTES } from "../../agent/cluster/messages.ts";
import { Neighborhood } from "./neighborhood.ts";

/** `size` members who have known each other for a minute. */
function settled(size: number, more: { loss?: number; delayMs?: [number, number]; seed?: number } = {}): Neighborhood {
  const town = new Neighborhood({ size, seed: 1, ...more });
  town.meet();
  expect(town.runUntil(() => town.isWhole(), 30_000)).toBeDefined();
  town.run(60_000);
  return town;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

test.each([2, 3, 30, 200])("%i members know each other within three seconds of meeting", (size) => {
  const town = new Neighborhood({ size, seed: size, loss: 0.01, delayMs: [1, 30] });
  town.meet();
  expect(town.runUntil(() => town.isWhole(), 30_000)).toBeLessThanOrEqual(3_000);
  expect(town.largestBytes).toBeLessThanOrEqual(DATAGRAM_BYTES);
});

test("members that join one by one become known to all, whichever member they meet first", () => {
  const town = new Neighborhood({ size: 12, seed: 5 });
  for (let newcomer = 1; newcomer < 12; newcomer++) {
    town.meet(range(0, newcomer + 1));
    town.run(500);
  }
  expect(town.runUntil(() => town.isWhole(), 2_000)).toBeDefined();
});

test.each([
  [2, 7_000],
  [3, 7_000],
  [10, 15_000],
  [100, 25_000],
])(
  "among %i members, one that loses power is dead everywhere within %i ms, and alive again as soon as it returns",
  (size, withinMs) => {
    for (const seed of [1, 2, 3]) {
      const town = settled(size, { seed });
      town.kill(0);
      expect(town.runUntil(() => town.agree(0, "dead"), 60_000)).toBeLessThanOrEqual(withinMs);
      town.restart(0);
      expect(town.runUntil(() => town.isWhole(), 60_000)).toBeLessThanOrEqual(3_000);
      expect(town.falseDeaths).toEqual([]);
    }
  },
);

test("an hour at 5 % loss declares none of ten members dead", () => {
  const town = settled(10, { loss: 0.05, delayMs: [1, 40] });
  town.run(3_600_000);
  expect(town.falseDeaths).toEqual([]);
  expect(town.isWhole()).toBe(true);
});

test("three members recover from ten minutes at 30 % loss", () => {
  const town = settled(3, { loss: 0.3 });
  town.run(600_000);
  expect(town.runUntil(() => town.isWhole(), 30_000)).toBeDefined();
});

test("a partition of an hour heals within 75 s", () => {
  const town = settled(12);
  const [left, right] = [range(0, 5), range(5, 12)];
  town.partition(left, right);
  town.run(3_600_000);
  for (const index of right) expect(town.agree(index, "dead", left)).toBe(true);
  for (const index of left) expect(town.agree(index, "alive", left)).toBe(true);
  town.heal();
  expect(town.runUntil(() => town.isWhole(), 120_000)).toBeLessThanOrEqual(75_000);
});

test("two members separated for a day find each other again", () => {
  const town = settled(2);
  town.partition([0], [1]);
  town.run(24 * 3_600_000);
  expect(town.belief(0, 1)).toBe("dead");
  town.heal();
  expect(town.runUntil(() => town.isWhole(), 120_000)).toBeLessThanOrEqual(75_000);
});

test("a member that stalls for two seconds is not declared dead and declares no others dead", () => {
  const town = settled(8);
  for (let round = 0; round < 30; round++) {
    town.stall(round % 8, 2_000);
    town.run(10_000);
  }
  expect(town.falseDeaths).toEqual([]);
  expect(town.isWhole()).toBe(true);
});

test("a member that wakes after a minute refutes its death and suspects no others", () => {
  const town = settled(6);
  town.stall(3, 60_000);
  expect(town.runUntil(() => town.agree(3, "dead"), 40_000)).toBeDefined();
  town.falseDeaths.length = 0;
  town.run(60_000);
  expect(town.isWhole()).toBe(true);
  expect(town.falseDeaths).toEqual([]);
  expect(town.bodies[3]?.view.self.incarnation).toBe(2);
});

test("every member knows within two seconds that one has left, and does not declare it dead later", () => {
  const town = settled(20);
  town.leave(4);
  expect(town.runUntil(() => town.agree(4, "left"), 2_000)).toBeDefined();
  town.kill(4);
  town.run(120_000);
  expect(town.agree(4, "left")).toBe(true);
  town.restart(4);
  expect(town.runUntil(() => town.isWhole(), 3_000)).toBeDefined();
});

test("after half an hour of power cuts and restarts, every member knows the state of every other", () => {
  const town = settled(15, { loss: 0.02 });
  for (let round = 0; round < 60; round++) {
    const one = (round * 7) % 15;
    if (town.bodies[one]?.isUp) town.kill(one);
    else town.restart(one);
    town.run(30_000);
  }
  for (const [index, { isUp }] of town.bodies.entries()) if (!isUp) town.restart(index);
  expect(town.runUntil(() => town.isWhole(), 90_000)).toBeDefined();
});

test("a datagram passes only between members that are each other's peers", () => {
  const town = new Neighborhood({ size: 3, seed: 1 });
  town.meet([0, 1]);
  town.bodies[0]?.peers.add(2);
  town.run(5_000);
  expect(town.agree(2, "alive", [0, 1])).toBe(false);
  expect(town.bodies[2]?.view.members.size).toBe(0);
});

test("each of ten idle members sends less than 100 bytes a second", () => {
  const town = settled(10);
  const before = town.bytes;
  town.run(60_000);
  expect((town.bytes - before) / 60 / 10).toBeLessThan(100);
});

test("where a quarter of all datagrams is lost, 200 members accuse nobody, and each sends less than 1 kB a second", () => {
  const town = new Neighborhood({ size: 200, seed: 7, loss: 0.25, delayMs: [1, 40] });
  town.acquaint();
  town.run(60_000);
  expect(town.falseDeaths).toEqual([]);
  expect(town.bodies.filter(({ view }) => view.self.incarnation > 1)).toEqual([]);
  expect(town.bytes / 60 / 200).toBeLessThan(1_000);
});

test("the same seed gives the same history", () => {
  const history = () => {
    const town = settled(10, { loss: 0.1, seed: 9 });
    town.kill(2);
    town.run(30_000);
    return [town.datagrams, town.bytes, town.bodies.map(({ view }) => view.seed)];
  };
  expect(history()).toEqual(history());
});
