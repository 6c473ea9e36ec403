// tuning.json, where the last release wrote down tuning's changes. They move into the journal of kernel settings once, so that a
// device that was updated without a restart is still restored to its own values.
import { rm } from "node:fs/promises";
import { z } from "zod";
import { describeError } from "../../system/error.ts";
import { readJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { SysctlKey } from "../kernel/changes.ts";
import type { Journal } from "../kernel/journal.ts";

const OldJournal = z.strictObject({
  v: z.literal(1),
  bootId: z.string(),
  profile: z.string(),
  changes: z.array(z.strictObject({ key: SysctlKey, was: z.string(), is: z.string() })),
});

/** Never throws. If the journal cannot be written, the old file stays for the next start. */
export async function importOldJournal(
  path: string,
  journal: Journal,
  { warnings, log }: { warnings: Pick<Warnings, "raise">; log: Log },
): Promise<void> {
  const old = await readJson(path, OldJournal).catch((error) => {
    const message = `the last release's journal of tuning is unreadable: ${describeError(error)}`;
    warnings.raise("tuning.failed", message, "settings from before the update stay until the next reboot", path);
    return undefined;
  });
  try {
    // Another boot: the kernel has forgotten the changes by itself.
    if (old && journal.isOfThisBoot(old.bootId) && old.changes.length > 0) {
      await journal.record(old.changes.map((change) => ({ kind: "sysctl", owner: "tuning", ...change })));
      log.info(`took over ${old.changes.length} values that the last release has set`);
    }
    // The last release runs again only after a reboot, and then ignores the file.
    await rm(path, { force: true });
  } catch (error) {
    log.warn(`cannot take over ${path}: ${describeError(error)}`);
  }
}
