// What an interrupted build left behind: its unfinished folders. Nothing takes them for finished; they only cost space.
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** Longer than any build may take (base.ts), so that a build at work keeps its folders. */
const abandonedAfterMs = 60 * 60_000;

/** Removes what in `folder` is called like an unfinished build and has not been touched for an hour. */
export async function removeLeftovers(folder: string, isUnfinished: RegExp, nowMs: number): Promise<void> {
  for (const name of await readdir(folder).catch((): string[] => [])) {
    if (!isUnfinished.test(name)) continue;
    const facts = await stat(join(folder, name)).catch(() => undefined);
    if (facts && nowMs - facts.mtimeMs > abandonedAfterMs)
      await rm(join(folder, name), { recursive: true, force: true });
  }
}
