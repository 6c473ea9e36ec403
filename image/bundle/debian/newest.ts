// Makes a lock of the newest packages on the mirror, cached by the mirror's state: each state is resolved once.
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Run } from "../../../system/command.ts";
import type { HamletError } from "../../../system/error.ts";
import { readJson, writeJson } from "../../../system/files.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Board } from "../../boards.ts";
import { byLastUse } from "../cache.ts";
import { Lock } from "../lock/lock.ts";
import { suite } from "./mirror.ts";
import { type MirrorState, mirrorSources, mirrorState } from "./mirror-state.ts";
import { nodeFacts, nodeVersion } from "./node.ts";
import { askedFor } from "./packages.ts";
import { resolvePackages } from "./resolve.ts";
import { toolVersions } from "./tools.ts";

/** `staleBecause` is set if the mirror did not answer and the lock is from an earlier build. */
export type Newest = { lock: Lock; staleBecause?: HamletError };

/** Throws `build.failed` if the mirror does not answer and no lock is cached. */
export async function newestLock(board: Board, projectFolder: string, run: Run): Promise<Newest> {
  const parent = join(cacheFolder(), "lock");
  const recipe = digest(JSON.stringify([1, board.debianArchitecture, askedFor(board.debianArchitecture), nodeVersion]));
  const state = await mirrorSources(run)
    .then((sources) => mirrorState(sources, run))
    .catch((error: HamletError) => error);
  if (state instanceof Error) {
    const [last] = await keptLocks(parent, recipe);
    const kept = last && (await readJson(last, Lock).catch(() => undefined));
    if (!kept) throw state;
    return { lock: { ...kept, tools: await toolVersions(run) }, staleBecause: state };
  }
  const path = join(parent, `${recipe}-${digest(state.digest)}.json`);
  const known = await readJson(path, Lock).catch(() => undefined);
  if (known) return { lock: { ...known, tools: await toolVersions(run) } };
  const lock = await resolveLock(board, projectFolder, state, run);
  await writeJson(path, lock, { mode: 0o644 });
  for (const old of (await keptLocks(parent, recipe)).slice(2)) await rm(old, { force: true });
  return { lock };
}

/** The lock that follows from the mirror's state, this computer's tools and this project's Node version. */
export async function resolveLock(board: Board, projectFolder: string, state: MirrorState, run: Run): Promise<Lock> {
  const asked = askedFor(board.debianArchitecture);
  // Parsed, so that the fields have the schema's order, as when read from a file.
  return Lock.parse({
    format: 1,
    architecture: board.debianArchitecture,
    suite,
    epochS: state.epochS,
    asked,
    node: await nodeFacts(board, projectFolder, run),
    tools: await toolVersions(run),
    ...(await resolvePackages(board.debianArchitecture, asked, state.sources, run)),
  });
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** Paths, the newest first. */
const keptLocks = async (parent: string, recipe: string): Promise<string[]> =>
  (await byLastUse(parent)).filter((path) => basename(path).startsWith(`${recipe}-`));
