// Tells the agent what the updater knows: a change at once, progress once a second.
import type { UpdateReport } from "../../provisioning/handover/update.ts";
import { describeError } from "../../system/error.ts";
import type { UpdaterParts } from "./parts.ts";
import { type Knowledge, reportOf } from "./report.ts";

export type Teller = {
  report(): UpdateReport;
  /** Ends when the agent has the report, or cannot be reached. */
  now(): Promise<void>;
  /** Unless the agent was told less than a second ago. */
  progress(): void;
};

const progressEveryMs = 1_000;

export function makeTeller({ door, clock, log }: UpdaterParts, known: Knowledge): Teller {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  const teller: Teller = {
    report: () => reportOf({ ...known, epochMs: clock.now() - clock.monotonic() }),
    async now() {
      toldAtMs = clock.monotonic();
      await door.report(teller.report()).catch((error: unknown) => log.debug(`no report: ${describeError(error)}`));
    },
    progress() {
      if (clock.monotonic() - toldAtMs >= progressEveryMs) void teller.now();
    },
  };
  return teller;
}
