// Whether a time server answers, by the file that systemd-timesyncd touches whenever one has.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../system/clock.ts";

/** Since when none has answered, by `clock.monotonic`. `root` is the root folder of the device's files, for tests. */
export function makeUnsyncedSince(clock: Clock, root = "/"): () => Promise<number | undefined> {
  const path = join(root, "run/systemd/timesync/synchronized");
  let touchedMs: number | undefined;
  let sinceMs = clock.monotonic();
  return async () => {
    const found = (await stat(path).catch(() => undefined))?.mtimeMs;
    // The clock itself may jump, so only that the file changes counts.
    if (found !== undefined && found !== touchedMs) sinceMs = clock.monotonic();
    touchedMs = found;
    return sinceMs;
  };
}
