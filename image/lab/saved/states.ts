// The cache of saved labs: a folder a state, written whole or not at all, and read only when all of it is as it was written.
// The states hold keys, those in the devices' memory too: nobody but their owner may read them.
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { digestFile } from "../../../system/digest.ts";
import { errnoOf, HamletError } from "../../../system/error.ts";
import { readJson, syncPath, writeJson } from "../../../system/files.ts";
import { cacheFolder } from "../../../system/paths.ts";
import { byLastUse, fillFolder, removeLeftovers, touch } from "../../bundle/cache.ts";

/** A clock that jumps by more is no longer what a device lives through. */
export const maxAgeMs = 24 * 60 * 60_000;
/** Some 400 MB each. */
const maxStates = 3;
export const statesFolder = (): string => join(cacheFolder(), "lab");

export type SavedState = { folder: string; savedAt: number };

const About = z.strictObject({
  fit: z.string(),
  savedAt: z.int(),
  files: z.record(z.string(), z.strictObject({ sizeBytes: z.int(), sha256: z.string() })),
});
const aboutName = "state.json";

/** The state that fits, if there is a young one. Throws `lab.stateRefused` when it is not whole. */
export async function findState(states: string, fit: string, now: number): Promise<SavedState | undefined> {
  const folder = join(states, fit);
  const refused = (why: string, cause?: unknown) =>
    new HamletError("lab.stateRefused", `the saved state ${folder} is damaged: ${why}`, {
      cause,
      hint: "the devices start from power, and what they become is saved in its place",
    });
  if (!(await stat(folder).catch(() => undefined))) return undefined;
  const about = await readJson(join(folder, aboutName), About).catch((cause) => {
    throw refused(`${aboutName} cannot be read`, cause);
  });
  if (!about) throw refused(`it has no ${aboutName}`);
  if (about.fit !== fit) throw refused("it was made of something else");
  // A clock that was set back would run backwards in the devices too.
  if (now - about.savedAt > maxAgeMs || now < about.savedAt) return undefined;
  await Promise.all(
    Object.entries(about.files).map(async ([name, { sizeBytes, sha256 }]) => {
      const found = await digestFile(join(folder, name)).catch((cause) => {
        throw refused(`${name} cannot be read`, cause);
      });
      if (found.sizeBytes !== sizeBytes) throw refused(`${name} has ${found.sizeBytes} of ${sizeBytes} bytes`);
      if (found.sha256 !== sha256) throw refused(`${name} has other bytes than were written`);
    }),
  );
  await touch(folder, now);
  return { folder, savedAt: about.savedAt };
}

/** Keeps what `write` puts into a new folder, in place of an older one that fits the same; if it rejects, all is as before. */
export async function keepState(
  states: string,
  fit: string,
  now: number,
  write: (folder: string) => Promise<void>,
): Promise<void> {
  await mkdir(states, { recursive: true, mode: 0o700 });
  try {
    await fillFolder(join(states, fit), async (folder) => {
      await write(folder);
      const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
      const files = await Promise.all(names.map(async (name) => [name, await digestFile(join(folder, name))] as const));
      const about: z.infer<typeof About> = { fit, savedAt: now, files: Object.fromEntries(files) };
      await writeJson(join(folder, aboutName), about);
    });
    await syncPath(states);
  } catch (cause) {
    if (errnoOf(cause) !== "ENOSPC" && errnoOf(cause) !== "EDQUOT") throw cause;
    throw new HamletError("file.full", `no space left to save the lab in ${states}`, {
      cause,
      hint: "free space on this disk; the lab runs on, and the next one starts from power",
    });
  }
  await evict(states, now);
}

/** The three used last stay; what is too old to be used, and what an end in the middle of saving left, goes. */
async function evict(states: string, now: number): Promise<void> {
  await removeLeftovers(states, now);
  let kept = 0;
  for (const folder of await byLastUse(states)) {
    const about = await readJson(join(folder, aboutName), About).catch(() => undefined);
    const isYoung = now - (about?.savedAt ?? 0) <= maxAgeMs;
    if (isYoung && kept < maxStates) kept++;
    else await rm(folder, { recursive: true, force: true });
  }
}
