// What the last trial leaves to do before anything else.
import { describeError } from "../../system/error.ts";
import { checks } from "./checks.ts";
import { afterVoid, type Conclusion, endOf, voidPausesMs, withEnd } from "./conclude.ts";
import type { History } from "./history.ts";
import type { UpdaterParts } from "./parts.ts";
import type { Knowledge } from "./report.ts";
import type { Armed } from "./state.ts";
import { settle } from "./trial.ts";

/** How this boot goes on. */
export type Next = "asUsual" | "restarts" | { trial: Armed };

export async function concludeTrial(
  past: Conclusion,
  parts: UpdaterParts,
  known: Knowledge,
  history: History,
): Promise<Next> {
  const { control, state, marks, clock, log } = parts;
  switch (past.kind) {
    case "none":
      return "asUsual";
    case "handMade":
      return "asUsual";
    case "lost":
      // First of all, as at the end of any trial that fails.
      await control.markBad();
      await noteLost(past.version, parts, history).catch((error: unknown) => log.error(describeError(error)));
      await control.reboot();
      return "restarts";
    case "trying":
      known.life = { phase: "trying", release: past.armed.to.version };
      return { trial: past.armed };
    case "restart":
      known.life = { phase: "restarting", release: past.armed.to.version };
      await control.reboot();
      return "restarts";
    case "notArmed":
      await state.write("armed.json", undefined);
      return "asUsual";
    case "stale":
      // Power that fails in between leaves what is stale still.
      await state.write("armed.json", undefined);
      await control.markBad();
      return "asUsual";
    case "committed":
      // Power may have failed in the middle of it.
      await control.commit();
      await settle(past.armed, state);
      await history.readAgain();
      return "asUsual";
    case "failed":
    case "void": {
      const { armed, check } = past;
      const again = past.kind === "void" ? afterVoid(await state.read("wanted.json"), armed.to.version) : undefined;
      const log = check === "trial.panicked" ? await marks.panicOf(armed.to.slot) : undefined;
      await history.change((ends) => withEnd(ends, endOf(armed, again ? "void" : "failed", check, log)));
      await state.write("wanted.json", again);
      await state.write("armed.json", undefined);
      await marks.forgetPanics(armed.to.slot);
      if (!again) return "asUsual";
      const because = { code: check, message: checks[check] };
      const againAtMs = clock.monotonic() + voidPausesMs[again.voids!.count - 1]!;
      known.life = { phase: "waiting", wish: "install", because, failures: 0, againAtMs, release: armed.to.version };
      return "asUsual";
    }
  }
}

/** Counts as a trial without a verdict: the wish is repeated a few times, and then the release has failed. */
async function noteLost(version: string, { state, clock }: UpdaterParts, history: History): Promise<void> {
  const again = afterVoid(await state.read("wanted.json"), version);
  await state.write("wanted.json", again);
  const from = (await state.read("floors.json"))?.release ?? "unknown";
  const check = "trial.recordLost";
  const atMs = Math.max(0, clock.now());
  const outcome = again ? "void" : "failed";
  await history.change((ends) => withEnd(ends, { atMs, from, to: version, outcome, check, message: checks[check] }));
}
