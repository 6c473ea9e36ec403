// The cache of saved labs: one folder per state, written completely or not at all, and used only if every file is unchanged.
// States contain keys, also in the devices' memory, so only their owner may read them.
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { digestFile } from "../../../system/digest.ts";
import { errnoOf, HamletError } from "../../../system/error.ts";
import { readJson, syncPath, writeJson } from "../../../system/files.ts";
import { cacheFolder } from "../../../system/paths.ts";
import { byLastUse, fillFolder, removeLeftovers, touch } from "../../bundle/cache.ts";

/** No real device sees its clock jump by more. */
export const maxAgeMs = 24 * 60 * 60_000;
/** About 400 MB each. */
const maxStates = 3;
export const statesFolder = (): string => join(cacheFolder(), "lab");

export type SavedState = { folder: string; savedAt: number };

const About = z.strictObject({
  fit: z.string(),
  savedAt: z.int(),
  files: z.record(z.string(), z.strictObject({ sizeBytes: z.int(), sha256: z.string() })),
});
const aboutName = "state.json";

/** The state named `fit`, if it is young enough. Throws `lab.stateRefused` if it is damaged. */
export async function findState(states: string, fit: string, now: number): Promise<SavedState | undefined> {
  const folder = join(states, fit);
  const refused = (why: string, cause?: unknown) =>
    new HamletError("lab.stateRefused", `the saved state ${folder} is damaged: ${why}`, {
      cause,
      hint: "the devices start from power, and a new state is saved in its place",
    });
  if (!(await stat(folder).catch(() => undefined))) return undefined;
  const about = await readJson(join(folder, aboutName), About).catch((cause) => {
    throw refused(`${aboutName} cannot be read`, cause);
  });
  if (!about) throw refused(`it has no ${aboutName}`);
  if (about.fit !== fit) throw refused("it belongs to another lab");
  // After this computer's clock was set back, the devices' clocks would run backwards.
  if (now - about.savedAt > maxAgeMs || now < about.savedAt) return undefined;
  await Promise.all(
    Object.entries(about.files).map(async ([name, { sizeBytes, sha256 }]) => {
      const found = await digestFile(join(folder, name)).catch((cause) => {
        throw refused(`${name} cannot be read`, cause);
      });
      if (found.sizeBytes !== sizeBytes) throw refused(`${name} has ${found.sizeBytes} of ${sizeBytes} bytes`);
      if (found.sha256 !== sha256) throw refused(`${name} has changed`);
    }),
  );
  await touch(folder, now);
  return { folder, savedAt: about.savedAt };
}

/** Saves the files that `write` puts into a new folder, in place of an older state of that name. If it fails, nothing changes. */
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

/** Keeps the three states used last; removes those too old to use, and leftovers of interrupted saves. */
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
