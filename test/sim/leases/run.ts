// `npm run sim:leases [-- --seed 7 --fault unsaved]`: one home whose members ask for leases while everything goes wrong.
import { parseArgs } from "node:util";
import { faults } from "./town.ts";
import { commandOf, runLeases } from "./world.ts";

const { values } = parseArgs({ options: { seed: { type: "string", default: "1" }, fault: { type: "string" } } });
const seed = Number(values.seed);
const fault = faults.find((one) => one === values.fault);
if (!Number.isInteger(seed) || seed < 1 || (values.fault !== undefined && !fault)) {
  console.error(`--seed takes a whole number from 1 on, --fault one of ${faults.join(", ")}`);
  process.exit(2);
}
const { size, grants, denials, freeAfterMs, problems } = runLeases({ seed, ...(fault && { fault }) });
console.log(`${size} members: ${grants} leases granted, ${denials} denied`);
if (freeAfterMs !== undefined) console.log(`the lease of a dead holder was free after ${freeAfterMs / 1_000} s`);
for (const problem of problems) console.error(`FAILED: ${problem}`);
if (problems.length > 0) console.error(`again: ${commandOf(seed)}${fault ? ` --fault ${fault}` : ""}`);
process.exitCode = problems.length > 0 ? 1 : 0;
