// `npm run sim:rollout -- --case good --size 5 --seed 7`: simulates one rollout in one neighborhood.
import { parseArgs } from "node:util";
import { type CaseName, cases, commandOf } from "./rollout-cases.ts";

const { values } = parseArgs({
  options: {
    case: { type: "string", default: "good" },
    size: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
  },
});
const [size, seed] = [Number(values.size), Number(values.seed)];
if (!Object.hasOwn(cases, values.case) || !(size >= 1) || !(seed >= 0)) {
  console.error(`--case takes ${Object.keys(cases).join(", ")}; --size 1 or more`);
  process.exit(2);
}
const name = values.case as CaseName;
const { problems, tookMs, boundMs, updated, tried, failed } = cases[name](size, seed);
const minutes = (ms: number) => `${(ms / 60_000).toFixed(0)} min`;
console.log(`${tried} tried the release, ${failed} failed, ${updated} of ${size} have it`);
console.log(`took ${minutes(tookMs)}; soaks and one restart after the other take ${minutes(boundMs)}`);
for (const problem of problems) console.error(`FAILED: ${problem}`);
if (problems.length > 0) console.error(`again: ${commandOf(name, size, seed)}`);
process.exitCode = problems.length > 0 ? 1 : 0;
