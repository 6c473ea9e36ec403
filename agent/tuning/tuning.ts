// Applies one profile and puts everything back when it ends. The old values are in the journal before the first new one is set,
// so that the next start undoes what a crash leaves behind. Off means that the kernel is exactly as it was.
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { isSame } from "../kernel/changes.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Sysctls } from "../kernel/sysctls.ts";
import { planProfile, type Skipped, type SysctlChange } from "./plan.ts";
import { profiles as allProfiles, type Profile } from "./profiles.ts";

export type TuningOptions = {
  /** "auto" takes the first profile that this kernel supports; "off" none. */
  profile: string;
  journal: Journal;
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

type Applied = { profile: string; changes: SysctlChange[]; skipped: Skipped[] };
const off: Applied = { profile: "off", changes: [], skipped: [] };
const owner = "tuning";

/** Never throws for what the kernel refuses: a device that cannot be tuned works, only slower; a warning says so. */
export async function startTuning(options: TuningOptions): Promise<Tuning> {
  const { journal, sysctls, log, warnings, profiles = allProfiles } = options;
  let applied = off;
  const fail = (message: string) =>
    warnings.raise("tuning.failed", message, "see agent tuning.profile; /proc/sys/net must be writable for the agent");

  const restore = async () => {
    for (const { change, because } of await journal.release(owner))
      fail(`cannot put ${change.key} back to ${change.was}: ${because}`);
  };

  const apply = async (profile: Profile): Promise<boolean> => {
    const keys = profile.settings.map(({ key }) => key);
    const now = new Map(await Promise.all(keys.map(async (key) => [key, await sysctls.read(key)] as const)));
    const readOnly = new Set<string>();
    for (const [key, value] of now) if (value !== undefined && (await sysctls.isReadOnly(key))) readOnly.add(key);
    const { changes, skipped, isPossible } = planProfile(profile, (key) => now.get(key), readOnly);
    if (!isPossible) return false;
    await journal.record(changes.map((change) => ({ kind: "sysctl", owner, ...change })));
    const done: SysctlChange[] = [];
    for (const change of changes) {
      try {
        await sysctls.write(change.key, change.is);
        done.push(change);
        if (!isSame((await sysctls.read(change.key)) ?? "", change.is))
          throw new Error("the kernel kept another value");
      } catch (error) {
        if (profile.settings.some(({ key, isEssential }) => isEssential && key === change.key)) {
          log.info(`this kernel does not support the profile ${profile.name}: ${change.key}: ${describeError(error)}`);
          await restore();
          return false;
        }
        fail(`${change.key} stays ${change.was}: ${describeError(error)}`);
      }
    }
    applied = { profile: profile.name, changes: done, skipped };
    const set = done.map(({ key, was, is }) => `${key} ${was} -> ${is}`);
    if (set.length > 0) log.info(`profile ${profile.name}: ${set.join(", ")}`);
    return true;
  };

  try {
    const left = journal.changes(owner);
    if (left.length > 0) {
      log.info(`the last run ended without restoring ${left.length} values: restoring them now`);
      await restore();
    }
    if (options.profile !== "off") {
      const candidates = profiles.filter(({ name }) => options.profile === "auto" || name === options.profile);
      let isApplied = false;
      for (const candidate of candidates) if (!isApplied) isApplied = await apply(candidate);
      if (!isApplied) fail(`this kernel supports no profile "${options.profile}"; nothing is tuned`);
    }
  } catch (error) {
    fail(`nothing was tuned: ${describeError(error)}`);
  }
  return {
    applied: () => applied.changes.map((change) => ({ profile: applied.profile, ...change })),
    skipped: () => applied.skipped,
    async stop() {
      applied = off;
      await restore();
      log.debug("tuning is off");
    },
  };
}
