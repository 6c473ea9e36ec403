// Leases while everything goes wrong: never two holders, none in a minority, none that lasts after its holder's death.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { isSameList } from "../../../agent/cluster/leases/list.ts";
import { type Fault, Town } from "./town.ts";
import { commandOf, runLeases } from "./world.ts";

const minute = 60_000;
/** All go by one list, and all are voters. */
const areOne = ({ bodies }: Town) =>
  bodies.every(({ view }) => view.list.voters.length === bodies.length && isSameList(view.list, bodies[0]!.view.list));
const seeds = Array.from({ length: 50 }, (_, index) => index + 1);

test("50 homes of two to seven: never two holders, never one in a minority, and a dead one's lease comes free", () => {
  let grants = 0;
  for (const seed of seeds) {
    const outcome = runLeases({ seed });
    expect(outcome.problems, `again: ${commandOf(seed)}`).toEqual([]);
    grants += outcome.grants;
  }
  expect(grants).toBeGreaterThan(5 * seeds.length);
});

test("the same seed gives the same history", () => {
  expect(runLeases({ seed: 9 })).toEqual(runLeases({ seed: 9 }));
});

test.each<[string, Fault, number]>([
  ["voters that write nothing down", "unsaved", 3],
  ["voters that grant as soon as they have restarted", "unsettled", 5],
  ["holders that do not know after a restart what they hold", "oblivious", 201],
  ["holders that stop after the voters' time is up", "late", 3],
])("without one rule two hold the lease at once: %s", (_, fault, seed) => {
  expect(runLeases({ seed }).problems).toEqual([]);
  expect(runLeases({ seed, fault }).problems[0]).toMatch(/has the lease while|have the lease/);
});

test.each<[string, number, Fault | undefined]>([
  ["knows when it wakes that its lease is over", 1, undefined],
  ["would go on with it by a clock that stands still meanwhile", 2, "sleepingClock"],
])("a holder that sleeps for longer than its lease %s", (_, holders, fault) => {
  const town = new Town({ size: 3, seed: 1, ...(fault && { fault }) });
  town.acquaint();
  town.run(minute);
  town.ask(0);
  town.run(1_000);
  town.stall(0, 25 * minute);
  town.run(24 * minute);
  town.ask(1);
  town.run(2 * minute);
  expect(town.holders()).toHaveLength(holders);
});

test("two who were parted for a day went on alone each, and are voters of one list soon after they meet again", () => {
  const town = new Town({ size: 2, seed: 3 });
  town.acquaint();
  town.run(minute);
  town.partition([0, 1]);
  town.run(24.5 * 60 * minute);
  for (const { view } of town.bodies) expect(view.list.voters).toEqual([view.self]);
  town.partition([0, 0]);
  expect(town.runUntil(() => areOne(town), 5 * minute)).toBeDefined();
});

test("a group of one and a group of three that began apart become one, and a lease in one ends before", () => {
  const town = new Town({ size: 4, seed: 5 });
  town.partition([0, 1, 1, 1]);
  town.run(10 * minute);
  town.ask(2);
  town.run(1_000);
  expect(town.holders()).toEqual([2]);
  town.partition([0, 0, 0, 0]);
  town.run(5 * minute);
  town.ask(0);
  town.run(minute);
  expect(town.holders()).toEqual([2]);
  town.giveBack(2);
  expect(town.runUntil(() => areOne(town), 5 * minute)).toBeDefined();
});

test("a run that fails prints what failed and the command that repeats it", async () => {
  const args = [join(import.meta.dirname, "run.ts"), "--seed", "3", "--fault", "unsaved"];
  const failed = await promisify(execFile)(process.execPath, args).catch((error) => error);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining(`again: ${commandOf(3)} --fault unsaved`) });
  expect(failed.stderr).toContain(runLeases({ seed: 3, fault: "unsaved" }).problems[0]);
});
