// `npm run bench [name...]`: runs the benchmarks of this folder one by one, so that they do not disturb each other.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

const folder = import.meta.dirname;
const shared = ["all.ts", "figures.ts", "stages.ts"];
const asked = process.argv.slice(2);
const names = readdirSync(folder).filter((name) => name.endsWith(".ts") && !shared.includes(name));
const failed: string[] = [];
for (const name of names) {
  if (asked.length > 0 && !asked.includes(name.replace(/\.ts$/, ""))) continue;
  console.log(`\n== ${name}`);
  const { status } = spawnSync(process.execPath, [join(folder, name)], { stdio: "inherit" });
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) console.error(`did not finish: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
