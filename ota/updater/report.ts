// What the updater reports to the agent, which shows it.
// Pure.
import type { Slot } from "../../image/boot/boot-control.ts";
import type { UpdateActivity, UpdateReport } from "../../provisioning/handover/update.ts";
import type { AutoRelease } from "../../provisioning/trust/rollout-policy.ts";
import type { CheckCode } from "./checks.ts";
import type { Life } from "./life.ts";
import type { Progress } from "./progress.ts";
import type { History } from "./state.ts";

export type Knowledge = {
  running: { slot: Slot; version: string };
  life: Life;
  progress: Progress | undefined;
  trial: { leftMs: number; waitsFor: CheckCode[] };
  history: History;
  checkedAtMs: number | undefined;
  newest: string | undefined;
  /** The newest, if homes without an operator take it by themselves. */
  auto: AutoRelease | undefined;
  /** Of the manifests that were verified, the newest first. */
  verified: readonly { version: string; rootHash: string }[];
  /** The release to which this device can go back. */
  earlier: string | undefined;
  /** Wall clock minus monotonic clock. */
  epochMs: number;
};

export function reportOf(known: Knowledge): UpdateReport {
  const { running, history, checkedAtMs, newest, auto, verified, earlier } = known;
  const [last] = history.ends;
  return {
    v: 1,
    running,
    activity: activityOf(known),
    ...(checkedAtMs !== undefined && { checkedAtMs }),
    ...(newest !== undefined && { newest }),
    ...(auto && { auto }),
    ...(verified.length > 0 && { verified: [...verified] }),
    ...(earlier !== undefined && { earlier }),
    failed: history.failed,
    ...(last && last.outcome !== "committed" && !history.isSeen && { fallback: last }),
    history: history.ends.map(({ log: _, ...end }) => end),
  };
}

function activityOf({ life, progress, trial, epochMs, running, earlier }: Knowledge): UpdateActivity {
  switch (life.phase) {
    case "idle":
      return { phase: "idle" };
    case "checking":
      return { phase: "checking" };
    case "installing": {
      const version = life.release;
      if (progress) return { ...progress, version };
      return {
        phase: "writing",
        version,
        part: "",
        doneBytes: 0,
        totalBytes: 0,
        fetchedBytes: 0,
        forecastBytes: 0,
      };
    }
    case "verifying":
      return { phase: "verifying", version: life.release, ...doneOf(progress) };
    case "ready":
      return { phase: "ready", version: life.release, ...(life.because && { because: life.because }) };
    case "restarting":
      return { phase: "restarting", version: life.release };
    case "returning": {
      if (life.to !== undefined) return { phase: "restarting", version: life.to };
      return { phase: "verifying", version: earlier ?? running.version, ...doneOf(progress) };
    }
    case "trying":
      return {
        phase: "trying",
        version: life.release,
        leftS: Math.max(0, Math.ceil(trial.leftMs / 1000)),
        waitsFor: trial.waitsFor,
      };
    case "waiting": {
      const { release, because, againAtMs } = life;
      return {
        phase: "waiting",
        ...(release !== undefined && { version: release }),
        because,
        againAtMs: Math.max(0, Math.round(againAtMs + epochMs)),
      };
    }
    case "doubting": {
      const { release: version, because, untilMs } = life;
      return { phase: "waiting", version, because, againAtMs: Math.max(0, Math.round(untilMs + epochMs)) };
    }
    case "refused":
      return { phase: "waiting", ...(life.release !== undefined && { version: life.release }), because: life.because };
  }
}

const doneOf = (progress: Progress | undefined) => {
  const { doneBytes, totalBytes } = progress ?? { doneBytes: 0, totalBytes: 0 };
  return { doneBytes, totalBytes };
};
