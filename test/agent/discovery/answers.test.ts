import fc from "fast-check";
import { expect, test } from "vitest";
import { Answers } from "../../../agent/discovery/answers.ts";

type Entry = { name: string; type: string };
const home: Entry = { name: "hamlet.local", type: "A" };
const service: Entry = { name: "_hamlet._udp.local", type: "PTR" };

test("m5-ask: fifteen questions a second for one name delay no answer for another", () => {
  const answers = new Answers<Entry>();
  let [home1, service1] = [0, 0];
  for (let now = 0; now < 36_000; now += 1_000 / 15) {
    home1 += answers.ask([home], now).length + answers.due(now).length;
    if (Math.floor(now / 2_000) > Math.floor((now - 1_000 / 15) / 2_000))
      service1 += answers.ask([service], now).length;
  }
  expect(service1).toBe(18);
  expect(home1).toBeLessThanOrEqual(36);
});

test("a record set sent within the last second is sent again when the second is over", () => {
  const answers = new Answers<Entry>();
  expect(answers.ask([home], 0)).toEqual([home]);
  expect(answers.ask([home], 300)).toEqual([]);
  expect([answers.dueAt(), answers.due(999), answers.due(1_000), answers.dueAt()]).toEqual([
    1_000,
    [],
    [home],
    undefined,
  ]);
});

test("additional records are never owed", () => {
  const answers = new Answers<Entry>();
  expect(answers.add([home], 0)).toEqual([home]);
  expect(answers.add([home], 500)).toEqual([]);
  expect(answers.dueAt()).toBeUndefined();
});

test("a record set goes out at most once a second, and every asker gets it within a second", () => {
  const entries = [home, { ...home, type: "AAAA" }, service, { ...home, name: "Hamlet.Local" }];
  const asks = fc.array(fc.tuple(fc.constantFrom(...entries), fc.nat(700)), { maxLength: 300 });
  fc.assert(
    fc.property(asks, (script) => {
      const answers = new Answers<Entry>();
      const setOf = ({ name, type }: Entry) => `${name.toLowerCase()} ${type}`;
      const saidAt = new Map<string, number>();
      const askedAt = new Map<string, number>();
      const say = (said: Entry[], now: number) => {
        for (const set of new Set(said.map(setOf))) {
          expect(now - (saidAt.get(set) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(1_000);
          saidAt.set(set, now);
          askedAt.delete(set);
        }
      };
      let now = 0;
      for (const [entry, pauseMs] of script) {
        // The shell's timer fires when something is due.
        for (let due = answers.dueAt(); due !== undefined && due <= now + pauseMs; due = answers.dueAt())
          say(answers.due(due), due);
        now += pauseMs;
        if (!askedAt.has(setOf(entry))) askedAt.set(setOf(entry), now);
        say(answers.ask([entry], now), now);
        for (const at of askedAt.values()) expect(now - at).toBeLessThan(1_000);
      }
    }),
  );
});
