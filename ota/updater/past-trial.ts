// What the last trial leaves to do once the device runs again.
import type { UpdateEnd, UpdateTrouble } from "../../provisioning/handover/update.ts";
import { describeError } from "../../system/error.ts";
import { checks, meaningOf } from "./checks.ts";
import { afterVoid, type Conclusion, endOf, voidPausesMs, withEnd } from "./conclude.ts";
import { endOfDoubt, lookAround } from "./doubt.ts";
import type { History } from "./history.ts";
import type { Life } from "./life.ts";
import { verdictMsOf } from "./own-trial.ts";
import type { UpdaterParts } from "./parts.ts";
import type { Knowledge } from "./report.ts";
import { type Armed, type Doubt, forgetPrepared, type Wanted } from "./state.ts";
import { pollMs, settle } from "./trial.ts";
import { watchWitnesses } from "./witness-watch.ts";

type InDoubt = { armed: Armed; doubt: Doubt; untilMs: number };
/** How this boot goes on. */
export type Next = "asUsual" | "restarts" | { trial: Armed } | { inDoubt: InDoubt };

export function makePastTrial(parts: UpdaterParts, known: Knowledge, history: History) {
  const { control, state, marks, clock, log } = parts;

  /** Notes how a trial ended. One that is void is repeated later, unless it has been too often. */
  async function end(armed: Armed, outcome: "failed" | "void", endAs: (as: "failed" | "void") => UpdateEnd) {
    const again = outcome === "void" ? afterVoid(await state.read("wanted.json"), armed.to.version) : undefined;
    const noted = endAs(again ? "void" : "failed");
    await state.write("history.json", withEnd(known.history, noted));
    await state.write("wanted.json", again);
    await forgetPrepared(state);
    await state.write("armed.json", undefined);
    await marks.forgetPanics(armed.to.slot);
    // Whoever hears of the end hears what comes next, too.
    await history.readAgain();
    known.life = again ? repeatOf(troubleIn(noted), again, noted.to, voidPausesMs[again.voids!.count - 1]!) : idle();
  }

  const idle = (): Life => ({ phase: "idle", checkAtMs: clock.monotonic() + parts.pace.firstCheckMs });
  const repeatOf = (because: UpdateTrouble, { until, version }: Wanted, release: string, pauseMs: number): Life => ({
    ...{ phase: "waiting", wish: until === "ready" ? "prepare" : "install", ...(version !== undefined && { version }) },
    ...{ because, failures: 0, release, againAtMs: clock.monotonic() + pauseMs },
  });

  return {
    async conclude(past: Conclusion): Promise<Next> {
      switch (past.kind) {
        case "none":
          return "asUsual";
        case "handMade":
          return "asUsual";
        case "lost":
          // First of all, as at the end of any trial that fails.
          await control.markBad();
          await noteLost(past.version).catch((error: unknown) => log.error(describeError(error)));
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
        case "failed": {
          const { armed, check } = past;
          if (armed.doubt) return { inDoubt: await doubt(armed, armed.doubt) };
          const panic = check === "trial.panicked" ? await marks.panicOf(armed.to.slot) : undefined;
          await end(armed, "failed", (as) => endOf(armed, as, { check, log: panic }));
          return "asUsual";
        }
        case "void":
          await end(past.armed, "void", (as) => endOf(past.armed, as, { check: past.check }));
          return "asUsual";
      }
    },
    /** Ends when it is known whether the release failed, or nobody was there. */
    async resolve({ untilMs, ...inDoubt }: InDoubt, signal: AbortSignal): Promise<void> {
      const witnesses = watchWitnesses(inDoubt.armed, parts);
      for (;;) {
        const evidence = await witnesses.evidence().catch((error: unknown) => log.debug(describeError(error)));
        const look = lookAround(
          inDoubt,
          evidence ?? undefined,
          witnesses.confirmations(),
          clock.monotonic() >= untilMs,
        );
        if (signal.aborted) return;
        if (look === "looking") {
          await parts.sleep(pollMs);
          continue;
        }
        return await end(inDoubt.armed, look, (as) => endOfDoubt(inDoubt, as));
      }
    },
    /**
     * After a restart in the pause before a trial is repeated. Power that keeps failing must not use up the chances of the release, and a
     * device that is off at night would never come to the end of a longer pause.
     */
    waitAgain(wanted: Wanted, release: string): void {
      const last = known.history.ends.find(({ to }) => to === release);
      known.life = repeatOf(troubleIn(last), wanted, release, voidPausesMs[0]!);
    },
  };

  /** Counts as a trial without a verdict: the wish is repeated a few times, and then the release has failed. */
  async function noteLost(version: string): Promise<void> {
    const again = afterVoid(await state.read("wanted.json"), version);
    await state.write("wanted.json", again);
    await forgetPrepared(state);
    const from = (await state.read("floors.json"))?.release ?? "unknown";
    const check = "trial.recordLost";
    const lost = { atMs: Math.max(0, clock.now()), from, to: version, check, message: checks[check] };
    await history.change((ends) => withEnd(ends, { ...lost, outcome: again ? "void" : "failed" }));
  }

  async function doubt(armed: Armed, of: Doubt): Promise<InDoubt> {
    const untilMs = await parts.trialDeadlineMs(verdictMsOf(armed));
    const code = of.missing[0]!;
    const message = `${meaningOf(code)}; ${armed.from.version} has time to do better`;
    known.life = { phase: "doubting", release: armed.to.version, because: { code, message }, untilMs };
    return { armed, doubt: of, untilMs };
  }
}

const troubleIn = ({ check = "trial.ended", message = meaningOf(check) }: Partial<UpdateEnd> = {}): UpdateTrouble => ({
  code: check,
  message,
});
