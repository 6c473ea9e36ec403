// The release before this one, built from the commit that it was made of.
import { execFile } from "node:child_process";
import { access, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { bundleProgram } from "../cli/package/bundle.ts";
import type { Question } from "../ota/updater/metadata.ts";
import type { Core } from "./sim/neighborhood.ts";

const run = promisify(execFile);
const project = join(import.meta.dirname, "..");

/** Nothing is released yet: the first commit whose hello, records and gossip later ones must understand. */
const commit = "12982347369eac407cacffc20d1ca2f16bd09c3c";
const rooms = ["agent", "cli", "dashboard", "image", "nix", "ota", "provisioning", "system", "package.json"];

/** Why there is none, as readable text; empty (falsy) if there is one. */
export async function lacksPredecessor(): Promise<string> {
  const found = await run("git", ["-C", project, "cat-file", "-e", `${commit}^{commit}`]).catch(() => undefined);
  if (found) return "";
  const text = `needs the history of the repository back to ${commit.slice(0, 7)}`;
  process.stderr.write(`skipped: ${text}\n`);
  return text;
}

/** A bundle of the file that `entry` finds or makes in its tree, made once a machine. */
async function bundled(name: string, entry: (folder: string) => Promise<string>): Promise<string> {
  const cache = join(project, "node_modules/.cache/hamlet-test");
  const outfile = join(cache, `${name}-${commit.slice(0, 7)}.mjs`);
  const isMade = await access(outfile).then(
    () => true,
    () => false,
  );
  if (isMade) return outfile;
  const folder = join(cache, `before-${name}-${process.pid}`);
  await mkdir(folder, { recursive: true });
  try {
    const archive = join(folder, "before.tar");
    await run("git", ["-C", project, "archive", `--output=${archive}`, commit, ...rooms]);
    await run("tar", ["-xf", archive, "-C", folder]);
    await symlink(join(project, "node_modules"), join(folder, "node_modules"));
    const fresh = join(folder, `${name}.mjs`);
    await bundleProgram(await entry(folder), fresh, "<!doctype html><title>Hamlet</title>");
    await rename(fresh, outfile);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return outfile;
}

/** Its core of liveness, for the simulator. */
export async function predecessorCore(): Promise<Core> {
  const parts = [
    'export { begin, step } from "./agent/cluster/swim.ts";',
    'export { allNews } from "./agent/cluster/view.ts";',
    'export { decodeMessage, encodeMessage } from "./agent/cluster/messages.ts";',
  ];
  const path = await bundled("core", async (folder) => {
    const entry = join(folder, "core.ts");
    await writeFile(entry, parts.join("\n"));
    return entry;
  });
  return await import(pathToFileURL(path).href);
}

type Search = {
  findNewest(question: Question): Promise<{ manifest: { version: string } }>;
  HamletError: new (code: "update.notThere", message: string) => Error;
};

/** How its updater finds the newest release, and the errors that it knows. */
export async function predecessorSearch(): Promise<Search> {
  const path = await bundled("search", async (folder) => {
    const entry = join(folder, "search.ts");
    const parts = ['{ findNewest } from "./ota/updater/metadata.ts"', '{ HamletError } from "./system/error.ts"'];
    await writeFile(entry, parts.map((part) => `export ${part};`).join("\n"));
    return entry;
  });
  return await import(pathToFileURL(path).href);
}

/** Its whole agent. */
export const predecessorAgent = (): Promise<string> =>
  bundled("agent", async (folder) => join(folder, "agent/main.ts"));
