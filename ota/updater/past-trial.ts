// What the last trial leaves to do before anything else.
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
  { control, state, device, marks, clock }: UpdaterParts,
  known: Knowledge,
  history: History,
): Promise<Next> {
  switch (past.kind) {
    case "none":
      return "asUsual";
    case "handMade":
      // Without its state the device cannot know whose trial this is.
      if (!device.isDataLost) return "asUsual";
      await control.markBad();
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
