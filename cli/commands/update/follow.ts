// Follows an update on a device until it ends, through the device's restart.
import type { Status, UpdateStatus } from "../../../agent/api/schema.ts";
import { activityText, endText, fetchedText } from "../../../dashboard/update-words.ts";
import { compareVersions } from "../../../image/boot/versions.ts";
import type { UpdateActivity, UpdateRequest } from "../../../provisioning/handover/update.ts";
import { sleep } from "../../../system/clock.ts";
import { type ErrorCode, HamletError } from "../../../system/error.ts";
import type { Progress } from "../../../system/progress.ts";
import type { Context } from "../../terminal/command.ts";
import type { Device } from "../../terminal/device.ts";

export type Followed = Pick<Device, "status">;
export type Pace = {
  pollMs: number;
  /** A device that restarts is silent for a minute, an emulated one for several. */
  silentMs: number;
  /** A check that takes longer goes on without this command. */
  checkMs: number;
};
export const usualPace: Pace = { pollMs: 500, silentMs: 15 * 60_000, checkMs: 60_000 };

/** Throws `update.noUpdater`. */
export function updateOf({ update, self }: Status): UpdateStatus {
  if (update) return update;
  throw new HamletError("update.noUpdater", `no updater runs on ${self.name}`, {
    hint: "on the device: systemctl status hamlet-updater; only devices from a Hamlet image have one",
  });
}

/** Waits for the updater of a device that has just started: it comes up after the agent. Throws `update.noUpdater`. */
export async function awaitUpdater(device: Followed, { pollMs, checkMs } = usualPace): Promise<Status> {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const status = await device.status();
    if (status.update) return status;
    if (waitedMs >= checkMs) updateOf(status);
    await sleep(pollMs);
  }
}

/** Waits until the check that a request has begun is over. Throws what the update waits for. */
export async function awaitCheck(
  device: Followed,
  before: UpdateStatus,
  kind: UpdateRequest["kind"],
  { pollMs, checkMs } = usualPace,
) {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const update = updateOf(await device.status());
    const { phase } = update.activity;
    if (phase === "waiting") throw waitingError(update.activity);
    const isOver =
      phase === "idle" ? update.checkedAtMs !== before.checkedAtMs && !isEarlier(update, kind) : phase !== "checking";
    if (isOver || waitedMs >= checkMs) return update;
    await sleep(pollMs);
  }
}

/** The end of a check that the updater had begun by itself: after ours it would install the newer release, or say why it does not. */
const isEarlier = ({ newest, running }: UpdateStatus, kind: UpdateRequest["kind"]): boolean =>
  (kind === "now" || kind === "retry" || kind === "prepare") &&
  newest !== undefined &&
  compareVersions(newest, running.version) > 0;

function waitingError({ because, againAtMs }: UpdateActivity & { phase: "waiting" }): HamletError {
  const { code, message, hint } = because;
  // What is not tried again by itself is a refusal.
  const exitCode = isOfTrial(code) ? 4 : againAtMs === undefined ? 3 : 1;
  return new HamletError(code as ErrorCode, message, { hint: hint ?? nextOf(code), exitCode });
}

/** The device came back from a trial. */
const isOfTrial = (code: string): boolean => code.startsWith("trial.");

/** Waits until the device restarts into the release before. Throws why it does not. */
export async function awaitReturn(
  device: Followed,
  earlier: string,
  { progress }: Pick<Context, "progress">,
  { pollMs, checkMs } = usualPace,
): Promise<void> {
  const show = makeShow(progress);
  for (let waitedMs = 0; waitedMs < checkMs; waitedMs += pollMs) {
    const update = await device.status().then(updateOf, (error: unknown) => {
      if (isSilence(error)) return undefined;
      throw error;
    });
    if (update?.activity.phase === "waiting") throw waitingError(update.activity);
    if (!update || update.activity.phase === "restarting" || update.running.version === earlier) return;
    if (update.activity.phase !== "idle" && update.activity.phase !== "ready") show(...stageOf(update.activity));
    await sleep(pollMs);
  }
}

/** The updater's checks explain themselves. */
const nextOf = (code: string): string =>
  isOfTrial(code) ? "see how updates ended: hamlet update history --log" : `hamlet explain ${code}`;

/** Resolves to the exit code: 0 committed or nothing to do, 4 fallen back. Throws, with exit code 3, what only people can end. */
export async function followUpdate(
  device: Followed,
  before: UpdateStatus,
  { print, note, progress, unread }: Pick<Context, "print" | "note" | "progress" | "unread">,
  { pollMs, silentMs } = usualPace,
): Promise<number> {
  const show = makeShow(progress);
  let [last, name, silentSince] = [before.last?.atMs, "the device", performance.now()];
  for (; !unread?.aborted; await sleep(pollMs)) {
    let status: Status;
    try {
      status = await device.status();
    } catch (error) {
      if (performance.now() - silentSince >= silentMs || !isSilence(error)) throw error;
      show(`waiting until ${name} answers`);
      continue;
    }
    name = status.self.name;
    const { update } = status;
    if (!update) {
      if (performance.now() - silentSince >= silentMs) updateOf(status);
      show(`waiting for the updater of ${name}`);
      continue;
    }
    silentSince = performance.now();
    if (update.last && update.last.atMs !== last) {
      last = update.last.atMs;
      const { outcome } = update.last;
      if (outcome === "void") note(`${name}: ${endText(update.last)}`);
      else {
        progress.end();
        print(`${name}: ${endText(update.last)}`);
        return outcome === "failed" || outcome === "rescued" ? 4 : 0;
      }
    }
    const { activity } = update;
    if (activity.phase === "idle") {
      progress.end();
      print(`${name} runs ${update.running.version}; no update is under way`);
      return 0;
    }
    if (activity.phase === "ready") {
      progress.end();
      if (activity.because)
        throw waitingError({ ...activity, phase: "waiting", because: activity.because, againAtMs: 0 });
      print(`${name}: ${activityText(activity, 0)}`);
      return 0;
    }
    if (activity.phase === "waiting" && activity.againAtMs === undefined) throw waitingError(activity);
    show(...stageOf(activity));
  }
  return 0;
}

const isSilence = (error: unknown): boolean =>
  error instanceof HamletError && ["device.noAnswer", "lab.execFailed"].includes(error.code);

type Stage = [name: string, size?: { done: number; total: number; more?: string }];
function stageOf(activity: Exclude<UpdateActivity, { phase: "idle" | "ready" }>): Stage {
  switch (activity.phase) {
    case "writing": {
      const { version, doneBytes: done, totalBytes: total } = activity;
      // Before the recipe is there the updater knows no size.
      if (total === 0) return [activityText(activity, 0)];
      return [`writing ${version}`, { done, total, more: fetchedText(activity) }];
    }
    case "verifying":
      if (activity.totalBytes === 0) return [`preparing ${activity.version}`];
      return [`verifying ${activity.version}`, { done: activity.doneBytes, total: activity.totalBytes }];
    case "trying": {
      const { version, waitsFor } = activity;
      return [`trying ${version}${waitsFor.length > 0 ? `, waits for ${waitsFor.join(", ")}` : ""}`];
    }
    case "checking":
    case "restarting":
      return [activityText(activity, 0)];
    case "waiting":
      return [`waiting: ${activity.because.message} (${activity.because.code})`];
  }
}

function makeShow(progress: Progress): (...stage: Stage) => void {
  let shown: string | undefined;
  return (name, size) => {
    if (name !== shown) progress.stage(name, size?.total, size?.done);
    shown = name;
    if (size) progress.at(size.done, size.more);
  };
}
