// Leases while everything goes wrong: never two holders, none in a minority, none that lasts after its holder's death.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Fault } from "./town.ts";
import { commandOf, runLeases } from "./world.ts";

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

test.each<[Fault, number, string]>([
  ["unsaved", 1, "voters that write nothing down"],
  ["unsettled", 7, "voters that grant as soon as they have restarted"],
  ["late", 2, "holders that stop after the voters' time is up"],
  ["sleepingClock", 77, "clocks that stand still while a device sleeps"],
])("without a rule two hold the lease at once: %s, seed %i: %s", (fault, seed) => {
  expect(runLeases({ seed, fault }).problems.join("\n")).toMatch(/has the lease while|have the lease/);
});

test("a run that fails prints what failed and the command that repeats it", async () => {
  const args = [join(import.meta.dirname, "run.ts"), "--seed", "1", "--fault", "unsaved"];
  const failed = await promisify(execFile)(process.execPath, args).catch((error) => error);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining(`again: ${commandOf(1)} --fault unsaved`) });
  expect(failed.stderr).toContain(runLeases({ seed: 1, fault: "unsaved" }).problems[0]);
});
