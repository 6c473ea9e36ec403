// The Node runtime of an image: one exact version, from this project's own packages if they have it.
import { access, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { digestFile } from "../../../system/digest.ts";
import { HamletError } from "../../../system/error.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Board } from "../../boards.ts";
import { cachedFolder } from "../cache.ts";
import type { Lock } from "../lock/lock.ts";

// A range would give different bytes on different days.
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
  const place = { parent: join(cacheFolder(), "node"), name: `${packageName}-${nodeVersion}`, keep: 4 };
  return cachedFolder(place, readRuntime, (folder) => fetchRuntime(packageName, folder, run));
}

async function readRuntime(folder: string): Promise<string> {
  await access(join(folder, "LICENSE"));
  await access(join(folder, "node"));
  return join(folder, "node");
}

async function fetchRuntime(packageName: string, folder: string, run: Run): Promise<void> {
  try {
    // npm checks the registry's integrity hash of what it downloads.
    await run(["npm", "pack", "--silent", `${packageName}@${nodeVersion}`], { cwd: folder, timeoutMs: 300_000 });
    const [archive = ""] = await readdir(folder);
    const files = ["--strip-components=1", "package/bin/node", "package/LICENSE"];
    await run(["tar", "-xf", join(folder, archive), "-C", folder, ...files], { timeoutMs: 60_000 });
    await rename(join(folder, "bin/node"), join(folder, "node"));
    await rm(join(folder, archive));
  } catch (cause) {
    throw new HamletError("build.failed", `the Node runtime ${packageName}@${nodeVersion} could not be fetched`, {
      cause,
      hint: "check the network and npm's registry setting",
    });
  }
}

/** The licence of the runtime at `path`. */
export async function nodeLicence(path: string, board: Board): Promise<Buffer> {
  const beside = [join(path, "../LICENSE"), join(path, "../../LICENSE")];
  beside.push(join(path, "../../node_modules", `node-${board.nodePlatform}`, "LICENSE"));
  for (const file of beside) {
    const found = await readFile(file).catch(() => undefined);
    if (found) return found;
  }
  throw new HamletError("build.failed", `the licence of the Node runtime ${path} is missing`, {
    hint: "install the npm packages again, or remove it from the cache",
  });
}

/** The runtime's entry in a lock. */
export async function nodeFacts(board: Board, projectFolder: string, run: Run): Promise<Lock["node"]> {
  const { sha256 } = await digestFile(await nodeRuntime(board, projectFolder, run));
  return { version: nodeVersion, sha256 };
}
