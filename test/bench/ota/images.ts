// The images that the pairs are made of: this project's nuc image, by its own builder, with other packages, another Node or another
// agent. They stay in the cache with their publisher, because a device only takes a release of the root that its image trusts: remove
// its folder bench-ota to build them anew.
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildDevicePrograms } from "../../../cli/package/build.ts";
import { boardNamed } from "../../../image/boards.ts";
import { mirrorSources, mirrorState } from "../../../image/bundle/debian/mirror-state.ts";
import { resolveLock } from "../../../image/bundle/debian/newest.ts";
import { nodeVersion } from "../../../image/bundle/debian/node.ts";
import { type Lock, lockPath, packagesOf, readLock } from "../../../image/bundle/lock/lock.ts";
import { inspectImage } from "../../../image/inspect/inspect.ts";
import { firstRootPath, initRepository } from "../../../ota/repository/init.ts";
import { run } from "../../../system/command.ts";
import { packageFolder } from "../../../system/package.ts";
import { cacheFolder } from "../../../system/paths.ts";

export const board = boardNamed("nuc");
export const passphrase = "correct horse battery";
/** Five packages of which Debian published security updates; the first two are the largest libraries among them. */
const fivePackages = ["libssl3", "openssl", "libexpat1", "liblzma5", "libpcre2-8-0"];
const olderNode = "24.20.0";
const folder = join(cacheFolder(), "bench-ota");
export const publisherFolder = join(folder, "publisher");

export type Pair = {
  name: "agent" | "five" | "security" | "node";
  /** What differs. */
  describe: string;
  older: string;
  newer: string;
};
export type Missing = { name: Pair["name"]; because: string };

/** Builds what is not built yet. */
export async function makePairs(asked: readonly string[]): Promise<{ pairs: Pair[]; missing: Missing[] }> {
  await mkdir(folder, { recursive: true });
  if (!(await readdir(publisherFolder).catch(() => undefined))) {
    await initRepository(publisherFolder, { passphrase, now: Date.now() });
  }
  const agents = await makeAgents();
  const locked = await readLock(packageFolder, board.debianArchitecture);
  const [pairs, missing]: [Pair[], Missing[]] = [[], []];
  const newer = once(() => build({ version: "0.1.0", lock: locked, agent: agents.ours }));
  const otherAgent = once(() => build({ version: "0.1.1", lock: locked, agent: agents.other }));
  const release = once(() => releaseLock());
  const makers: Record<Pair["name"], () => Promise<Omit<Pair, "name">>> = {
    agent: async () => ({
      describe: "one statement more in the agent, and another version",
      older: await newer(),
      newer: await otherAgent(),
    }),
    async five() {
      const lock = withPackages(locked, await release());
      return {
        describe: `${fivePackages.map((name) => change(name, lock, locked)).join(", ")}; the agent and the version`,
        older: await build({ version: "0.0.2", lock, agent: agents.ours }),
        newer: await otherAgent(),
      };
    },
    async security() {
      const lock = await release();
      const changed = Object.keys(packagesOf(locked)).filter(
        (name) => packagesOf(lock)[name]?.version !== packagesOf(locked)[name]!.version,
      );
      return {
        describe: `${changed.length} of ${Object.keys(packagesOf(locked)).length} packages: ${changed.join(", ")}`,
        older: await build({ version: "0.0.1", lock, agent: agents.ours }),
        newer: await newer(),
      };
    },
    node: async () => ({
      describe: `Node ${olderNode} -> ${nodeVersion}`,
      older: await build({ version: "0.0.3", lock: locked, agent: agents.ours, node: olderNode }),
      newer: await newer(),
    }),
  };
  for (const [name, make] of Object.entries(makers) as [Pair["name"], (typeof makers)["agent"]][]) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    try {
      pairs.push({ name, ...(await make()) });
    } catch (error) {
      missing.push({ name, because: error instanceof Error ? error.message : String(error) });
    }
  }
  return { pairs, missing };
}

type Recipe = { version: string; lock: Lock; agent: string; node?: string };

/** By the builder as it is in a copy of this project, whose lock and Node version are changed. Returns the image's path. */
async function build({ version, lock, agent, node }: Recipe): Promise<string> {
  const out = join(folder, version);
  const image = join(out, `hamlet-${board.name}-${version}.img`);
  if (await inspectImage(image).catch(() => undefined)) return image;
  const project = join(folder, "project");
  await rm(project, { recursive: true, force: true });
  const names = (await readdir(packageFolder)).filter(
    (name) => !["node_modules", ".git", "test", "dist"].includes(name),
  );
  await mkdir(project);
  for (const name of names) await cp(join(packageFolder, name), join(project, name), { recursive: true });
  await symlink(join(packageFolder, "node_modules"), join(project, "node_modules"));
  let taken = lock;
  if (node !== undefined) {
    const path = join(project, "image/bundle/debian/node.ts");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace(`nodeVersion = "${nodeVersion}"`, `nodeVersion = "${node}"`));
    taken = { ...lock, node: await nodeFactsOf(project) };
  }
  await writeFile(lockPath(project, board.debianArchitecture), JSON.stringify(taken));
  const update = ["--repository", "http://127.0.0.1/", "--release-root", firstRootPath(publisherFolder)];
  const what = ["--board", board.name, "--version", version, "--agent", agent, ...update];
  const argv = [process.execPath, join(project, "cli/hamlet.ts"), "image", "build", ...what, "-o", out];
  console.log(`building ${version}`);
  await run(argv as [string, ...string[]], { timeoutMs: 1_800_000 });
  await rm(project, { recursive: true });
  return image;
}

async function nodeFactsOf(project: string): Promise<Lock["node"]> {
  const script = `
    import { nodeFacts } from ${JSON.stringify(join(project, "image/bundle/debian/node.ts"))};
    import { boardNamed } from ${JSON.stringify(join(project, "image/boards.ts"))};
    import { run } from ${JSON.stringify(join(project, "system/command.ts"))};
    console.log(JSON.stringify(await nodeFacts(boardNamed("${board.name}"), ${JSON.stringify(project)}, run)));`;
  const argv = [process.execPath, "--input-type=module-typescript", "--eval", script] as const;
  return JSON.parse(await run([...argv], { timeoutMs: 600_000 }));
}

/** The suite as it was released, without security updates and others. */
async function releaseLock(): Promise<Lock> {
  const sources = (await mirrorSources(run)).filter(({ suite }) => !/-(security|updates)$/.test(suite));
  return await resolveLock(board, packageFolder, await mirrorState(sources, run), run);
}

/** `lock` with the five packages of `other`. */
function withPackages(lock: Lock, other: Lock): Lock {
  const same = fivePackages.filter((name) => packagesOf(other)[name]?.version === lock.installed[name]?.version);
  if (same.length > 0) throw new Error(`the suite has no older ${same.join(", ")}`);
  const taken = fivePackages.map((name) => [name, packagesOf(other)[name]!] as const);
  return { ...lock, installed: { ...lock.installed, ...Object.fromEntries(taken) } };
}

const change = (name: string, from: Lock, to: Lock): string =>
  `${name} ${packagesOf(from)[name]!.version} -> ${packagesOf(to)[name]!.version}`;

async function makeAgents(): Promise<{ ours: string; other: string }> {
  const [ours, other] = [join(folder, "agent.mjs"), join(folder, "other-agent.mjs")];
  const kept = await readFile(ours, "utf8").catch(() => undefined);
  if (kept === undefined) {
    const { programs } = await buildDevicePrograms(join(folder, "dist"));
    const code = await readFile(programs.get("agent.mjs")!, "utf8");
    await writeFile(ours, code);
    // At the beginning, so that all that follows lies elsewhere.
    await writeFile(other, `globalThis.hamletBench=Date.now();${code}`);
  }
  return { ours, other };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

if (import.meta.main) console.log(await makePairs(process.argv.slice(2)));
