// Follows an update on a device of the stage until it is over, and cuts its power at a moment of it.
import { chooseMoment, isReached } from "../../../../image/lab/power/moment.ts";
import { ask, type DeviceReport, pollMs, type Stage, second } from "./stage.ts";
import type { Outcome } from "./verdict.ts";

/** An emulated device on a busy computer writes and restarts for a quarter of an hour. */
const endsWithinMs = 40 * 60 * second;
const askAgainMs = 30 * second;
/** What it waited for before it was asked says nothing of this update. */
const oldNewsMs = 5 * second;
/** A verdict that a power cut took from the history shows in that nothing else comes. */
const restsMs = 60 * second;
/** How often an update may end without a verdict, as after a power cut. */
const mostVoid = 3;

export const failed = (check: string, reason: string): Outcome => ({ verdict: "failed", check, reason });
export const passed: Outcome = { verdict: "passed" };

/** Cuts at a moment of the update that the seed chooses, or when the update is over. */
export async function cutDuring(
  stage: Stage,
  device: string,
  { before, seed, onStage }: { before: DeviceReport; seed: number; onStage(text: string): void },
): Promise<void> {
  const moment = chooseMoment({ seed });
  onStage(`waiting to cut the power while it is ${moment.phase}`);
  const deadline = stage.now() + endsWithinMs;
  for (let wasAtEnd = false; stage.now() < deadline; await stage.pause(pollMs)) {
    const report = await stage.report(device);
    const activity = report?.update.activity;
    // A device that restarts is silent.
    const isRestarting = !report && wasAtEnd && moment.phase !== "trying";
    const isOver = report && report.update.last?.atMs !== before.update.last?.atMs;
    if (isRestarting || isOver || isReached(moment, activity)) break;
    wasAtEnd ||= activity?.phase === "verifying" || activity?.phase === "restarting";
  }
  await stage.cut(device, seed);
}

type Followed = {
  wanted: string;
  before: DeviceReport;
  /** What to ask if it ends without a verdict, or never began. */
  again: "now" | "retry" | "back";
  moreMs?: number;
  onStage(text: string): void;
};

/** Until the device rests on the wanted release, or says why it does not. */
export async function follow(
  stage: Stage,
  device: string,
  { wanted, before, again, moreMs = 0, onStage }: Followed,
): Promise<Outcome> {
  const deadline = stage.now() + endsWithinMs + moreMs;
  let [seen, voids, shown, askedMs] = [before.update.last?.atMs, 0, "", stage.now()];
  let restsSince: number | undefined;
  for (; stage.now() < deadline; await stage.pause(pollMs)) {
    const report = await stage.report(device);
    const { activity, last, running } = report?.update ?? {};
    const text = activity?.phase ?? "waiting until it answers";
    if (text !== shown) onStage(text);
    shown = text;
    if (!activity || !running) {
      restsSince = undefined;
      continue;
    }
    const isNews = last !== undefined && last.atMs !== seen;
    if (isNews) {
      seen = last.atMs;
      const { outcome, check = outcome, message = `${last.to} did not stay` } = last;
      if (outcome === "failed" || outcome === "rescued") return failed(check, message);
      if (outcome === "void" && ++voids > mostVoid) return failed(check, `${voids} trials without a verdict`);
      if (outcome === "void") {
        await ask(stage, device, again);
        askedMs = stage.now();
      }
    }
    const isFinal = activity.phase === "waiting" && activity.againAtMs === undefined;
    if (isFinal && stage.now() - askedMs >= oldNewsMs) return failed(activity.because.code, activity.because.message);
    if (activity.phase !== "idle" && activity.phase !== "waiting") {
      restsSince = undefined;
      continue;
    }
    if (running.version === wanted && activity.phase === "idle") {
      restsSince ??= stage.now();
      const isTold =
        last?.atMs !== before.update.last?.atMs && (last?.outcome === "committed" || last?.outcome === "left");
      if (isTold || stage.now() - restsSince >= restsMs) return passed;
    } else if (stage.now() - askedMs >= askAgainMs) {
      await ask(stage, device, again);
      askedMs = stage.now();
    }
  }
  return failed("deadline", `it does not run ${wanted} after ${Math.round((endsWithinMs + moreMs) / 60_000)} minutes`);
}
