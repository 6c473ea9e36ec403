import { expect, test } from "vitest";
import { consequencesOf, originsOf } from "../../../agent/health/consequences.ts";

const down = { code: "network.down" };
const dead = { code: "member.dead", follows: "network.down" };
const multicast = { code: "discovery.multicastBlocked", follows: "network.down" };
const later = { code: "broker.unreachable", follows: "member.dead" };
const other = { code: "state.full" };

test("consequences are found through other consequences, and origins are the rest", () => {
  const all = [later, down, other, dead, multicast];
  expect(originsOf(all)).toEqual([down, other]);
  expect(consequencesOf("network.down", all)).toEqual([dead, multicast, later]);
  expect(consequencesOf("state.full", all)).toEqual([]);
});

test("a warning whose cause is not shown is an origin", () => {
  expect(originsOf([dead])).toEqual([dead]);
});

test("warnings that follow from each other in a circle end", () => {
  const circle = [{ code: "a" }, { code: "b", follows: "a" }, { code: "a", follows: "b" }];
  expect(consequencesOf("a", circle)).toEqual([circle[1], circle[2]]);
});
