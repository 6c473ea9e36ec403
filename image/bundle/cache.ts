// A cache of folders that take long to make. Each is filled under a temporary name and then renamed, so a folder under its
// final name is complete. The least recently used siblings are removed.
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, HamletError } from "../../system/error.ts";

/** `keep`: how many siblings to keep, most recently used first; default: all. */
type Place = { parent: string; name: string; keep?: number };

/** What `mkdtemp` appends, and `fillFolder` after it. */
const unfinished = /\.[A-Za-z0-9]{6}(\.old)?$/;
/** Longer than any build may take, so that a running build keeps its folders. */
const abandonedAfterMs = 60 * 60_000;

/** Returns what `read` returns for the folder. If that is undefined or `read` throws, `make` fills a new one first. */
export async function cachedFolder<T>(
  { parent, name, keep }: Place,
  read: (folder: string) => Promise<T | undefined>,
  make: (folder: string) => Promise<void>,
): Promise<T> {
  const folder = join(parent, name);
  const find = () => read(folder).catch(() => undefined);
  await mkdir(parent, { recursive: true });
  await removeLeftovers(parent, Date.now());
  const found = await find();
  if (found !== undefined) {
    await touch(folder);
    return found;
  }
  // Another build may have finished the same folder first: keep that one, it may be in use.
  await fillFolder(folder, make, async () => (await find()) === undefined);
  if (keep !== undefined) await keepLastUsed(parent, keep);
  const made = await read(folder);
  if (made === undefined) throw new HamletError("build.failed", `${folder} was just made and is not complete`);
  return made;
}

/** Fills a new folder and puts it in the place of `folder` if `isWanted` then. If `fill` throws, nothing changes. */
export async function fillFolder(
  folder: string,
  fill: (making: string) => Promise<void>,
  isWanted: () => Promise<boolean> = async () => true,
): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const making = await mkdtemp(`${folder}.`);
  const old = `${making}.old`;
  try {
    await fill(making);
    if (!(await isWanted())) return;
    await rename(folder, old).catch((cause) => {
      if (errnoOf(cause) !== "ENOENT") throw cause;
    });
    await rename(making, folder).catch((cause) => {
      // Another process placed its folder at this very moment; either will do.
      if (!["ENOTEMPTY", "EEXIST"].includes(errnoOf(cause) ?? "")) throw cause;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
    await rm(old, { recursive: true, force: true });
  }
}

export const touch = (path: string, nowMs = Date.now()): Promise<void> => utimes(path, nowMs / 1000, nowMs / 1000);

/** Finished entries of `parent`, most recently used first. */
export async function byLastUse(parent: string): Promise<string[]> {
  const names = (await readdir(parent).catch((): string[] => [])).filter((name) => !unfinished.test(name));
  const aged = await Promise.all(
    names.map(async (name) => {
      const path = join(parent, name);
      return { path, usedMs: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 };
    }),
  );
  return aged.sort((a, b) => b.usedMs - a.usedMs).map(({ path }) => path);
}

async function keepLastUsed(parent: string, count: number): Promise<void> {
  for (const path of (await byLastUse(parent)).slice(count)) await rm(path, { recursive: true, force: true });
}

/** Removes entries that an interrupted process left unfinished over an hour ago. */
export async function removeLeftovers(parent: string, nowMs: number, isLeftover = unfinished): Promise<void> {
  for (const name of await readdir(parent).catch((): string[] => [])) {
    if (!isLeftover.test(name)) continue;
    const facts = await stat(join(parent, name)).catch(() => undefined);
    if (facts && nowMs - facts.mtimeMs > abandonedAfterMs)
      await rm(join(parent, name), { recursive: true, force: true });
  }
}
