// The Node runtime that goes into an image: one exact version, from this project's own packages if they have it.
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Board } from "../../boards.ts";
import { factsOf } from "../bundle.ts";
import type { Lock } from "../lock/lock.ts";

// Exact: a range would give different bytes on different days.
export const nodeVersion = "24.21.0";

/** Path of the board's `node` program. */
export async function nodeRuntime(board: Board, projectFolder: string, run: Run): Promise<string> {
  const packageName = `node-${board.nodePlatform}`;
  const modules = join(projectFolder, "node_modules");
  const local = [`node/bin/node`, `node/node_modules/${packageName}/bin/node`, `${packageName}/bin/node`];
  for (const path of board.nodePlatform === `${process.platform}-${process.arch}` ? local : []) {
    const version = await run([join(modules, path), "--version"]).catch(() => "");
    if (version.trim() === `v${nodeVersion}`) return join(modules, path);
  }
  const kept = join(cacheFolder(), "node", `${packageName}-${nodeVersion}`);
  const found = await Promise.all([access(kept), access(`${kept}.licence`)]).then(
    () => true,
    () => false,
  );
  if (found) return kept;
  await mkdir(join(cacheFolder(), "node"), { recursive: true });
  const work = await mkdtemp(`${kept}.`);
  try {
    // npm checks the registry's integrity hash of what it downloads.
    await run(["npm", "pack", "--silent", `${packageName}@${nodeVersion}`], { cwd: work, timeoutMs: 300_000 });
    const [archive = ""] = await readdir(work);
    await run(["tar", "-xf", join(work, archive), "-C", work, "package/bin/node", "package/LICENSE"], {
      timeoutMs: 60_000,
    });
    await rename(join(work, "package/LICENSE"), `${kept}.licence`);
    await rename(join(work, "package/bin/node"), kept);
    return kept;
  } catch (cause) {
    throw new HamletError("build.failed", `the Node runtime ${packageName}@${nodeVersion} could not be fetched`, {
      cause,
      hint: "check the network and npm's registry setting",
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The licence that comes with the runtime at `path`. */
export async function nodeLicence(path: string, board: Board): Promise<Buffer> {
  const beside = [`${path}.licence`, join(path, "../../LICENSE")];
  beside.push(join(path, "../../node_modules", `node-${board.nodePlatform}`, "LICENSE"));
  for (const file of beside) {
    const found = await readFile(file).catch(() => undefined);
    if (found) return found;
  }
  throw new HamletError("build.failed", `the licence of the Node runtime ${path} is missing`, {
    hint: "install the npm packages again, or remove it from the cache",
  });
}

/** The runtime as a lock has it. */
export async function nodeFacts(board: Board, projectFolder: string, run: Run): Promise<Lock["node"]> {
  const { sha256 } = await factsOf(await nodeRuntime(board, projectFolder, run));
  return { version: nodeVersion, sha256 };
}
