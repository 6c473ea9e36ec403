import { expect, test } from "vitest";
import type { Sighting } from "../../../agent/discovery/announcement.ts";
import { Neighbors } from "../../../agent/discovery/neighbors.ts";

const minute = 60_000;
const sighting = (id: string, over: Partial<Sighting> = {}): Sighting => ({
  ...{ v: "1", n: "0011aabb", id, p: 7780, e: "1", name: "attic", isGoodbye: false },
  ...over,
});
const ids = (neighbors: Neighbors, now: number) => neighbors.list(now).map(({ id }) => id);

test("forgets a silent neighbor, and one that says goodbye at once", () => {
  const neighbors = new Neighbors();
  neighbors.sight(sighting("attic"), "192.0.2.1", 0);
  neighbors.sight(sighting("cellar"), "192.0.2.2", 0);
  neighbors.sight(sighting("attic"), "192.0.2.1", 4 * minute);
  expect(ids(neighbors, 4 * minute)).toEqual(["cellar", "attic"]);
  expect(ids(neighbors, 5 * minute)).toEqual(["attic"]);
  neighbors.sight(sighting("attic", { isGoodbye: true }), "192.0.2.1", 5 * minute);
  expect(ids(neighbors, 5 * minute)).toEqual([]);
});

test("a goodbye from another address says nothing about this one", () => {
  const neighbors = new Neighbors();
  neighbors.sight(sighting("attic"), "192.0.2.1", 0);
  neighbors.sight(sighting("attic", { isGoodbye: true }), "192.0.2.66", 0);
  expect(ids(neighbors, 0)).toEqual(["attic"]);
});

test("one host that claims to be ten thousand devices gets four places and displaces no other", () => {
  const neighbors = new Neighbors();
  neighbors.sight(sighting("attic"), "192.0.2.1", 0);
  for (let n = 0; n < 10_000; n++) neighbors.sight(sighting(`forged${n}`), "192.0.2.66", 1);
  expect(ids(neighbors, 2)).toHaveLength(5);
  expect(ids(neighbors, 2)).toContain("attic");
});

test("forged source addresses fill the table, not the memory, and a real newcomer still gets in", () => {
  const neighbors = new Neighbors();
  for (let n = 0; n < 10_000; n++) neighbors.sight(sighting(`forged${n}`), `10.0.${n >> 8}.${n & 255}`, 0);
  expect(neighbors.list(1)).toHaveLength(256);
  expect(neighbors.sight(sighting("attic"), "192.0.2.1", 1)?.id).toBe("attic");
  expect(neighbors.list(1)).toHaveLength(256);
});

/** 64 hosts that each claim to be four devices: as many as the table holds. */
const flood = (neighbors: Neighbors, round: number, now: number) => {
  for (let n = 0; n < 256; n++) {
    neighbors.sight(sighting(`forged${round}-${n}`), `10.${round}.0.${n >> 2}`, now);
  }
};

test("64 addresses with four ids each displace one another, but no neighbor that answered a hello", () => {
  const neighbors = new Neighbors();
  neighbors.sight(sighting("attic"), "192.0.2.1", 0);
  neighbors.answered("192.0.2.1");
  flood(neighbors, 1, 1);
  expect(neighbors.list(2)).toHaveLength(256);
  expect(neighbors.sight(sighting("cellar"), "192.0.2.2", 2)?.id).toBe("cellar");
  neighbors.answered("192.0.2.2");
  // A neighbor sighted again still counts as one that answered.
  neighbors.sight(sighting("attic"), "192.0.2.1", 3);
  for (let round = 2; round < 20; round++) flood(neighbors, round, round + 2);
  expect(neighbors.list(30)).toHaveLength(256);
  expect(ids(neighbors, 30)).toEqual(expect.arrayContaining(["attic", "cellar"]));
});

test("if all have answered, a newcomer takes the place of the one sighted longest ago", () => {
  const neighbors = new Neighbors();
  flood(neighbors, 1, 0);
  for (let n = 0; n < 64; n++) neighbors.answered(`10.1.0.${n}`);
  expect(neighbors.sight(sighting("attic"), "192.0.2.1", 1)?.id).toBe("attic");
  expect(ids(neighbors, 1)).not.toContain("forged1-0");
});
