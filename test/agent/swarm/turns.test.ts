// Turns among those who ask.
import { expect, test } from "vitest";
import { makeTurns } from "../../../agent/swarm/turns.ts";

test("one that asks for many things does not hold up another that asks for one", async () => {
  const turns = makeTurns({ atOnce: 1, maxWaiting: 100, maxWaitingEach: 50 });
  const done: string[] = [];
  const take = (source: string) => turns.take(source, async () => void done.push(source));
  const all = [...Array.from({ length: 10 }, () => take("greedy")), take("modest"), take("third"), take("modest")];
  await Promise.all(all);
  expect(done.slice(0, 6)).toEqual(["greedy", "greedy", "modest", "third", "greedy", "modest"]);
});

test("no more run at once than may, and what fails makes room for the next", async () => {
  const turns = makeTurns({ atOnce: 2, maxWaiting: 100, maxWaitingEach: 50 });
  let [running, most] = [0, 0];
  const all = Array.from({ length: 9 }, (_, index) =>
    turns.take(`${index % 3}`, async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running -= 1;
      if (index % 2) throw new Error("failed");
    }),
  );
  const ends = await Promise.allSettled(all);
  expect(most).toBe(2);
  expect(ends.filter(({ status }) => status === "rejected")).toHaveLength(4);
});

test("one whose tasks never end keeps its share of the places, and others go on with the rest", async () => {
  const turns = makeTurns({ atOnce: 4, atOnceEach: 2, maxWaiting: 100, maxWaitingEach: 8 });
  const ends: (() => void)[] = [];
  const stuck = Array.from({ length: 6 }, () => turns.take("idle", () => new Promise<void>((end) => ends.push(end))));
  await Promise.all(Array.from({ length: 5 }, () => turns.take("busy", async () => {})));
  expect(ends).toHaveLength(2);
  while (ends.length > 0) {
    ends.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(stuck);
});

test("a source that waits for too much, or all of them together, are refused at once", async () => {
  const turns = makeTurns({ atOnce: 1, maxWaiting: 4, maxWaitingEach: 2 });
  let open = () => {};
  const task = () => new Promise<void>((resolve) => (open = resolve));
  const first = turns.take("a", task)!;
  const waiting = ["a", "a", "a", "b", "b", "c"].map((source) => turns.take(source, async () => {}));
  expect(waiting.map((turn) => turn !== undefined)).toEqual([true, true, false, true, true, false]);
  open();
  await Promise.all([first, ...waiting]);
});
