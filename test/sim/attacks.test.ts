// What one hostile member can do to the liveness of the others: cost its own seat, and nothing else.
import { expect, test } from "vitest";
import { accuser, forger, hostile, shouter } from "./malice.ts";
import { Neighborhood } from "./neighborhood.ts";

const minute = 60_000;

/** Members who know each other. */
function settled(size: number, more: { loss?: number; delayMs?: [number, number] } = {}): Neighborhood {
  const town = new Neighborhood({ size, seed: 7, delayMs: [1, 3], ...more });
  town.meet();
  town.run(20_000);
  return town;
}

/** Runs a while; returns how often a member that runs was dead, or not quite alive, to an honest one. */
function watch(town: Neighborhood, ms: number, hostileIndex: number): { dead: number; suspect: number; looks: number } {
  const seen = { dead: 0, suspect: 0, looks: 0 };
  const ends = town.now + ms;
  while (town.now < ends) {
    town.run(100);
    for (const [observer, { isUp }] of town.bodies.entries()) {
      if (observer === hostileIndex || !isUp) continue;
      for (const [subject, body] of town.bodies.entries()) {
        if (subject === observer || subject === hostileIndex || !body.isUp) continue;
        const belief = town.belief(observer, subject);
        seen.looks++;
        if (belief === "dead") seen.dead++;
        if (belief === "suspect") seen.suspect++;
      }
    }
  }
  return seen;
}

test.each([
  [3, 100, 60],
  [6, 1_000, 60],
  [6, 25, 60],
  [30, 500, 20],
])(
  "t6-false-deaths: of %i members one accuses others, in any name, every %i ms: nobody is dead to anyone",
  (size, everyMs, seconds) => {
    const town = settled(size);
    const mallory = size - 1;
    const victims = Array.from({ length: Math.min(3, mallory) }, (_, index) => index);
    town.corrupt(mallory, hostile(everyMs, accuser(victims), forger(victims)));
    const { dead, suspect } = watch(town, seconds * 1_000, mallory);
    expect({ dead, suspect }).toEqual({ dead: 0, suspect: 0 });
    for (const victim of victims) {
      const { self, health } = town.bodies[victim]!.view;
      // A refutation at once, then one every five seconds: no amount of accusations wears the accused out.
      expect(self.incarnation).toBeLessThanOrEqual(1 + 6 + seconds / 5 + 1);
      expect(health).toBeLessThanOrEqual(2);
    }
  },
);

test("t6-false-deaths: at 5 % loss, among three and ten members, no accusation lets anyone be dead", () => {
  for (const size of [3, 10]) {
    const town = settled(size, { loss: 0.05, delayMs: [1, 40] });
    const victims = Array.from({ length: size - 1 }, (_, index) => index);
    town.corrupt(size - 1, hostile(500, accuser(victims)));
    expect(watch(town, 5 * minute, size - 1).dead).toBe(0);
  }
});

test.each([3, 10, 30])(
  "a real death among %i members is declared in time, whatever one of them says meanwhile",
  (size) => {
    const town = settled(size);
    const mallory = size - 1;
    town.corrupt(mallory, hostile(200, accuser([1]), shouter));
    town.kill(0);
    const honest = town.bodies.map((_, index) => index).filter((index) => index !== mallory);
    expect(town.runUntil(() => town.agree(0, "dead", honest), 2 * minute)).toBeLessThanOrEqual(30_000);
    town.restart(0);
    expect(town.runUntil(() => town.agree(0, "alive", honest), minute)).toBeLessThanOrEqual(5_000);
  },
);

test("a member that lives a new life with every breath costs each of the others less than 1 kB a second", () => {
  const town = settled(10);
  town.corrupt(9, hostile(50, shouter));
  town.run(minute);
  const before = [...town.sentBy];
  town.run(minute);
  for (const [index, bytes] of before.slice(0, 9).entries())
    expect((town.sentBy[index]! - bytes) / 60).toBeLessThan(1_000);
});
