// Applies one profile and puts everything back when it ends. The old values stand on disk before the first new one is set,
// so a crash at any point is undone at the next start. Off means the kernel is exactly as it was.
import { rm } from "node:fs/promises";
import { z } from "zod";
import { describeError } from "../../system/error.ts";
import { readJson, writeJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { type Change, isSame, planProfile, planRestore, type Skipped } from "./plan.ts";
import { profiles as allProfiles, type Profile, SysctlKey } from "./profiles.ts";
import type { Sysctls } from "./sysctls.ts";

const Journal = z.strictObject({
  v: z.literal(1),
  /** Another boot: the kernel has forgotten our values by itself. */
  bootId: z.string(),
  profile: z.string(),
  changes: z.array(z.strictObject({ key: SysctlKey, was: z.string(), is: z.string() })),
});

export type TuningOptions = {
  /** "auto" takes the first profile that this kernel can do; "off" none. */
  profile: string;
  journalPath: string;
  sysctls: Sysctls;
  log: Log;
  warnings: Warnings;
  profiles?: Profile[];
};
export type Tuning = {
  /** What is applied now, in the shape of the status. */
  applied(): { profile: string; key: string; was: string; is: string }[];
  skipped(): Skipped[];
  /** Puts the old values back. */
  stop(): Promise<void>;
};

/** Never throws for what the kernel refuses: a device that cannot be tuned works, only slower; a warning says so. */
export async function startTuning(options: TuningOptions): Promise<Tuning> {
  const { journalPath, sysctls, log, warnings, profiles = allProfiles } = options;
  let applied: { profile: string; changes: Change[]; skipped: Skipped[] } = {
    profile: "off",
    changes: [],
    skipped: [],
  };
  const fail = (message: string) =>
    warnings.raise("tuning.failed", message, "see agent tuning.profile; /proc/sys/net must be writable for the agent");

  const restore = async (changes: Change[]) => {
    const now = await readAll(
      sysctls,
      changes.map(({ key }) => key),
    );
    // Last set, first back.
    const left: Change[] = [];
    for (const change of planRestore(changes, (key) => now.get(key)).reverse()) {
      try {
        await sysctls.write(change.key, change.was);
        if (!isSame((await sysctls.read(change.key)) ?? "", change.was))
          throw new Error("the kernel kept the new value");
      } catch (error) {
        left.push(change);
        fail(`${change.key} could not be put back to ${change.was}: ${describeError(error)}`);
      }
    }
    // What could not be put back stays written down for the next time.
    if (left.length === 0) await rm(journalPath, { force: true });
  };

  const apply = async (profile: Profile): Promise<boolean> => {
    const now = await readAll(
      sysctls,
      profile.settings.map(({ key }) => key),
    );
    const readOnly = new Set<string>();
    for (const [key, value] of now) if (value !== undefined && (await sysctls.isReadOnly(key))) readOnly.add(key);
    const { changes, skipped, isPossible } = planProfile(profile, (key) => now.get(key), readOnly);
    if (!isPossible) return false;
    if (changes.length === 0) {
      applied = { profile: profile.name, changes, skipped };
      return true;
    }
    const bootId = (await sysctls.read("kernel.random.boot_id")) ?? "";
    await writeJson(journalPath, { v: 1, bootId, profile: profile.name, changes } satisfies z.infer<typeof Journal>);
    const done: Change[] = [];
    for (const change of changes) {
      try {
        await sysctls.write(change.key, change.is);
        done.push(change);
        if (!isSame((await sysctls.read(change.key)) ?? "", change.is))
          throw new Error("the kernel kept another value");
      } catch (error) {
        if (profile.settings.some(({ key, isEssential }) => isEssential && key === change.key)) {
          log.info(`profile ${profile.name} is not possible here: ${change.key}: ${describeError(error)}`);
          await restore(done);
          return false;
        }
        fail(`${change.key} stays ${change.was}: ${describeError(error)}`);
      }
    }
    applied = { profile: profile.name, changes: done, skipped };
    log.info(`profile ${profile.name}: ${done.map(({ key, was, is }) => `${key} ${was} -> ${is}`).join(", ")}`);
    return true;
  };

  try {
    const bootId = (await sysctls.read("kernel.random.boot_id")) ?? "";
    const journal = await readJson(journalPath, Journal).catch((error) => {
      fail(`the journal of old values is unreadable: ${describeError(error)}`);
      return undefined;
    });
    if (journal?.bootId === bootId) {
      log.info(`the last run ended without putting ${journal.changes.length} values back: doing it now`);
      await restore(journal.changes);
    }
    if (options.profile !== "off") {
      const candidates = profiles.filter(({ name }) => options.profile === "auto" || name === options.profile);
      let isApplied = false;
      for (const candidate of candidates) if (!isApplied) isApplied = await apply(candidate);
      if (!isApplied) fail(`no profile "${options.profile}" that this kernel can do; it stays as it is`);
    }
  } catch (error) {
    fail(`nothing was tuned: ${describeError(error)}`);
  }
  return {
    applied: () => applied.changes.map((change) => ({ profile: applied.profile, ...change })),
    skipped: () => applied.skipped,
    async stop() {
      const { changes } = applied;
      applied = { profile: "off", changes: [], skipped: [] };
      if (changes.length > 0) await restore(changes);
      log.debug("tuning is off");
    },
  };
}

async function readAll(sysctls: Sysctls, keys: string[]): Promise<Map<string, string | undefined>> {
  return new Map(await Promise.all(keys.map(async (key) => [key, await sysctls.read(key)] as const)));
}
