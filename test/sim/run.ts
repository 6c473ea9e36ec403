// `npm run sim [-- --members 1000 --loss 0.25 --seed 7 --hostile 1 --minutes 1]`: simulates a neighborhood in trouble.
import { parseArgs } from "node:util";
import { commandOf, runWorld } from "./world.ts";

const { values } = parseArgs({
  options: {
    members: { type: "string", default: "100" },
    loss: { type: "string", default: "0.05" },
    seed: { type: "string", default: "1" },
    hostile: { type: "string", default: "1" },
    minutes: { type: "string" },
  },
});
const {
  members,
  loss,
  seed,
  hostile,
  minutes = usualMinutes(Number(values.members)),
} = Object.fromEntries(Object.entries(values).map(([name, text]) => [name, Number(text)])) as Record<
  "members" | "loss" | "seed" | "hostile",
  number
> & { minutes?: number };
if (!(members >= 2 && loss >= 0 && loss < 1 && hostile >= 0 && hostile < members - 1 && minutes >= 1 && seed >= 0)) {
  console.error("--members takes 2 or more, --loss 0 to 1, --hostile fewer than the members, --minutes 1 or more");
  process.exit(2);
}

/** The third has a partition, which among more than a few hundred takes the processor for ten minutes and more. */
function usualMinutes(size: number): number {
  return size <= 200 ? 3 : 1;
}

const options = { members, loss, seed, hostile, minutes };
const startedAt = performance.now();
const outcome = runWorld(options, console.log);
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
console.log(`deaths known to all after ${outcome.deathsMs.map(seconds).join(", ")}`);
console.log(
  `members that answered, dead to another: ${outcome.falseDeaths}, the longest for ${seconds(outcome.longestFalseMs)}`,
);
console.log(
  `nobody who runs dead to anyone: ${outcome.calmAfterMs === undefined ? "never" : `${seconds(outcome.calmAfterMs)} after the trouble`}`,
);
console.log(`${outcome.bytesPerSecond.toFixed(0)} bytes a second and member`);
console.log(`${outcome.steps} steps in ${seconds(performance.now() - startedAt)}`);
for (const problem of outcome.problems) console.error(`FAILED: ${problem}`);
if (outcome.problems.length > 0) console.error(`again: ${commandOf(options)}`);
process.exitCode = outcome.problems.length > 0 ? 1 : 0;
