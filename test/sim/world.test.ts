// `npm run sim`: whole runs with everything that goes wrong at once.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { Neighborhood } from "./neighborhood.ts";
import { plainStep } from "./plain-swim.ts";
import { commandOf, runWorld } from "./world.ts";

const trouble = { members: 12, loss: 0.05, seed: 7, hostile: 1, minutes: 3 };

test("power cuts, stalls, clock jumps, a partition and a hostile member leave nobody dead who answers", () => {
  const outcome = runWorld(trouble);
  expect(outcome.problems).toEqual([]);
  expect(outcome.deathsMs).toHaveLength(2);
  expect(runWorld(trouble)).toEqual(outcome);
});

test("a run that fails prints the command that repeats it", async () => {
  const options = { members: 4, loss: 0.99, seed: 3, hostile: 1, minutes: 4 };
  const { problems } = runWorld(options);
  expect(problems).not.toEqual([]);
  const args = commandOf(options).split(" -- ")[1]!.split(" ");
  const failed = await promisify(execFile)(process.execPath, [join(import.meta.dirname, "run.ts"), ...args]).catch(
    (error) => error,
  );
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining(`again: ${commandOf(options)}`) });
  for (const problem of problems) expect(failed.stderr).toContain(problem);
});

test("a clock that jumps an hour ahead makes nobody dead", () => {
  const town = new Neighborhood({ size: 10, seed: 1 });
  town.acquaint();
  town.run(10_000);
  for (const index of [2, 5]) {
    town.leap(index, 3_600_000);
    town.run(60_000);
  }
  expect(town.falseDeaths).toEqual([]);
  expect(town.isWhole()).toBe(true);
});

test("among ten members of which one stalls again and again, plain SWIM declares others dead, and we do not", () => {
  const falseDeaths = (more: object) => {
    const town = new Neighborhood({ size: 10, seed: 5, delayMs: [10, 40], ...more });
    town.acquaint();
    for (let round = 0; round < 30; round++) {
      town.stall(0, 10_000);
      town.run(10_030);
    }
    return town.falseDeaths.filter(({ of }) => of !== 0).length;
  };
  expect(falseDeaths({ step: plainStep })).toBeGreaterThan(0);
  expect(falseDeaths({})).toBe(0);
});
