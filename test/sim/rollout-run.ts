// `npm run sim:rollout -- --case good --size 5 --seed 7`: simulates one rollout in one neighborhood, or with `--homes 200` in as many, of
// which each has the next seed.
import { parseArgs } from "node:util";
import { type CaseName, cases, commandOf, manyHomes } from "./rollout-cases.ts";

const { values } = parseArgs({
  options: {
    case: { type: "string", default: "good" },
    size: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
    homes: { type: "string", default: "1" },
  },
});
const [size, seed, homes] = [Number(values.size), Number(values.seed), Number(values.homes)];
if (!Object.hasOwn(cases, values.case) || !(size >= 1) || !(seed >= 0) || !(homes >= 1)) {
  console.error(`--case takes ${Object.keys(cases).join(", ")}; --size and --homes 1 or more`);
  process.exit(2);
}
const name = values.case as CaseName;
const outcomes = manyHomes(name, { homes, size, seed });
const sum = (of: "tried" | "failed" | "updated") => outcomes.reduce((all, one) => all + one[of], 0);
const [tried, failed, updated] = [sum("tried"), sum("failed"), sum("updated")];
console.log(`${tried} tried the release, ${failed} failed, ${updated} of ${homes * size} have it`);
const times = outcomes.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
const minutesAt = (share: number) => `${(times[Math.floor(share * (times.length - 1))]! / 60_000).toFixed(0)} min`;
const bound = Math.max(...outcomes.map(({ boundMs }) => boundMs));
const took =
  homes === 1 ? minutesAt(1) : `${minutesAt(0.5)} (median), ${minutesAt(0.95)} (95 %), ${minutesAt(1)} (longest)`;
console.log(`took ${took}`);
if (bound < Number.POSITIVE_INFINITY)
  console.log(`soaks, hours and one restart after the other take ${(bound / 60_000).toFixed(0)} min`);
const bad = outcomes.filter(({ problems }) => problems.length > 0);
for (const { seed: of, problems } of bad.slice(0, 10)) {
  for (const problem of problems) console.error(`FAILED: ${problem}`);
  console.error(`again: ${commandOf(name, size, of)}`);
}
if (homes > 1) console.log(`${homes - bad.length} of ${homes} neighborhoods kept every promise`);
process.exitCode = bad.length > 0 ? 1 : 0;
