// The trial of this boot, from the updater's start to its verdict.
import { verdictSeconds } from "../../provisioning/handover/update.ts";
import type { DiskTurn } from "./disk-turn.ts";
import type { History } from "./history.ts";
import type { UpdaterParts } from "./parts.ts";
import type { Knowledge } from "./report.ts";
import type { Armed } from "./state.ts";
import type { Teller } from "./teller.ts";
import { runTrial } from "./trial.ts";

/** As long as the release that armed the trial gave it. */
export const verdictMsOf = (armed: Armed): number => (armed.verdictSeconds ?? verdictSeconds.usual) * 1000;

/**
 * True once the release is committed, false when the device restarts into the old one. Throws if the verdict cannot be carried out:
 * started again, the updater goes on with the same trial.
 */
export async function tryOut(
  armed: Armed,
  parts: UpdaterParts,
  { known, teller, turn, history }: { known: Knowledge; teller: Teller; turn: DiskTurn; history: History },
  signal: AbortSignal,
): Promise<boolean> {
  const { clock } = parts;
  await turn.tryToTake();
  const deadlineMs = await parts.trialDeadlineMs(verdictMsOf(armed));
  try {
    const isCommitted = await runTrial(armed, { ...parts, deadlineMs }, (leftMs, waitsFor) => {
      known.trial = { leftMs, waitsFor };
      signal.throwIfAborted();
      teller.progress();
    });
    if (!isCommitted) return false;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
  await turn.end();
  await history.readAgain();
  known.life = { phase: "idle", checkAtMs: clock.monotonic() + parts.pace.firstCheckMs };
  return true;
}
