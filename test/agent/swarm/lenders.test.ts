// Whom to ask: who downloads for all, who is left alone for a while, and for how long at most a member can hold another up.
import { expect, test } from "vitest";
import { Lenders, ranked } from "../../../agent/swarm/lenders.ts";
import { Way } from "../../../agent/swarm/way.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

test("all members name the same downloader, and each release has its own", () => {
  const ids = ["attic", "cellar", "kitchen", "porch"];
  expect(ranked(ids.toReversed(), "1.0")).toEqual(ranked(ids, "1.0"));
  const first = Array.from({ length: 40 }, (_, minor) => ranked(ids, `1.${minor}`)[0]);
  expect(new Set(first)).toEqual(new Set(ids));
});

test("a lender that brought nothing rests twice as long each time, until it brings something", () => {
  const lenders = new Lenders();
  lenders.failed("attic", 0);
  expect([lenders.mayAsk("attic", minuteMs - 1), lenders.mayAsk("attic", minuteMs)]).toEqual([false, true]);
  lenders.failed("attic", minuteMs);
  expect([lenders.mayAsk("attic", 3 * minuteMs - 1), lenders.mayAsk("attic", 3 * minuteMs)]).toEqual([false, true]);
  for (let count = 0; count < 30; count++) lenders.failed("attic", 3 * minuteMs);
  expect(lenders.mayAsk("attic", 3 * minuteMs + hourMs)).toBe(true);
  lenders.had("attic", hourMs);
  lenders.failed("attic", 2 * hourMs);
  expect(lenders.mayAsk("attic", 2 * hourMs + minuteMs)).toBe(true);
});

test("a lender that always brings something, and always late, holds four requests up for an hour in all", () => {
  const lenders = new Lenders();
  lenders.begin("1.0");
  for (let count = 0; count < 4; count++) {
    expect(lenders.mayAsk("attic", 0)).toBe(true);
    lenders.waited("attic", hourMs);
  }
  expect(lenders.mayAsk("attic", 0)).toBe(false);
  // Metadata are looked at while no release is fetched.
  lenders.begin("");
  expect(lenders.mayAsk("attic", 0)).toBe(false);
  lenders.begin("1.1");
  expect(lenders.mayAsk("attic", 0)).toBe(true);
});

test("a liar is news once, and forgiven with the next release", () => {
  const lenders = new Lenders();
  lenders.begin("1.0");
  expect([lenders.lied("attic"), lenders.lied("attic")]).toEqual([true, false]);
  expect(lenders.mayAsk("attic", 30 * 24 * hourMs)).toBe(false);
  expect(lenders.begin("1.0")).toEqual([]);
  expect(lenders.begin("1.1")).toEqual(["attic"]);
  expect(lenders.mayAsk("attic", 0)).toBe(true);
});

test("whoever had the last piece is asked first, who has none is left out for a while, and may fetch all the same", () => {
  const lenders = new Lenders();
  const ids = ["attic", "cellar", "kitchen"];
  lenders.had("kitchen", 1_000);
  lenders.hadNot("attic", 1_000);
  expect(lenders.keepers(ids, 2_000)).toEqual(["kitchen", "cellar"]);
  expect(lenders.mayFetch("attic", 2_000)).toBe(true);
  expect(lenders.keepers(ids, 20_000)).toEqual(["kitchen", "attic", "cellar"]);
  lenders.keepsSilent("kitchen", 20_000);
  lenders.hasNoWay("cellar", 20_000);
  expect(lenders.keepers(ids, 40_000)).toEqual(["attic", "cellar"]);
  expect([lenders.mayFetch("cellar", 40_000), lenders.mayFetch("cellar", 80_000)]).toEqual([false, true]);
});

test("a way to the web that broke is tried again after a minute, then after two, and after ten at most", () => {
  const way = new Way();
  way.broke(0);
  // Requests at the same time find it out together.
  way.broke(10);
  // One tries, and the others do not wait for it.
  expect([minuteMs - 1, minuteMs, minuteMs].map((now) => way.mayTry(now))).toEqual([false, true, false]);
  way.broke(minuteMs);
  expect([3 * minuteMs - 1, 3 * minuteMs, 4 * minuteMs].map((now) => way.mayTry(now))).toEqual([false, true, true]);
  for (let now = 3 * minuteMs; now < 10 * hourMs; now += 10 * minuteMs) way.broke(now);
  expect(way.mayTry(10 * hourMs + 10 * minuteMs)).toBe(true);
  way.broke(11 * hourMs);
  way.worked();
  expect([way.mayTry(11 * hourMs), way.mayTry(11 * hourMs)]).toEqual([true, true]);
});
