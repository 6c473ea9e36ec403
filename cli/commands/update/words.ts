// Says in words what an updater does and how updates ended.
// Pure.
import type { UpdateStatus } from "../../../agent/api/schema.ts";
import { bytes, duration, percent } from "../../../dashboard/words.ts";
import type { UpdateActivity, UpdateEnd } from "../../../provisioning/handover/update.ts";
import { filledTable } from "../../terminal/table.ts";

export function updateText(name: string, update: UpdateStatus, now: number): string[] {
  const { running, activity, newest, checkedAtMs, failed, fallback, last } = update;
  const ago = (atMs: number) => `${duration((now - atMs) / 1000)} ago`;
  return [
    `${name} runs ${running.version} (slot ${running.slot})`,
    `newest release: ${newest ?? "unknown"}${checkedAtMs === undefined ? ", not checked yet" : `, checked ${ago(checkedAtMs)}`}`,
    ...(activity.phase === "idle" ? [] : [`now: ${activityText(activity, now)}`]),
    ...(last ? [`last update: ${endText(last)}, ${ago(last.atMs)}`] : []),
    ...(failed.length > 0 ? [`failed, so not tried again until \`hamlet update retry\`: ${failed.join(", ")}`] : []),
    ...(fallback ? [`${name} fell back: ${endText(fallback)}; acknowledge it: hamlet update seen`] : []),
  ];
}

export function activityText(activity: UpdateActivity, now: number): string {
  switch (activity.phase) {
    case "idle":
      return "nothing";
    case "checking":
      return "checking for a release";
    case "writing":
      return `writing ${activity.version}: ${percent(share(activity))} (${activity.part}), ${fetchedText(activity)}`;
    case "verifying":
      return `verifying ${activity.version}: ${percent(share(activity))}`;
    case "restarting":
      return `restarting into ${activity.version}`;
    case "trying": {
      const missing = activity.waitsFor.length > 0 ? `, waits for ${activity.waitsFor.join(", ")}` : "";
      return `trying ${activity.version}: ${duration(activity.leftS)} left${missing}`;
    }
    case "waiting": {
      const { version, because, againAtMs } = activity;
      const again = againAtMs === undefined ? "" : `; again in ${duration((againAtMs - now) / 1000)}`;
      return `${version === undefined ? "waiting" : `${version} waits`}: ${because.message} (${because.code})${again}`;
    }
  }
}

const share = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): number =>
  totalBytes === 0 ? 0 : doneBytes / totalBytes;

export const fetchedText = ({ fetchedBytes, forecastBytes }: { fetchedBytes: number; forecastBytes: number }): string =>
  `fetched ${bytes(fetchedBytes)} of ${bytes(forecastBytes)}`;

type End = Omit<UpdateEnd, "log">;
export const endText = ({ from, to, outcome, check, message, isAlone }: End): string =>
  [
    `${from} -> ${to} ${outcomes[outcome]}`,
    ...(check === undefined ? [] : [` (${check}${message === undefined ? "" : `: ${message}`})`]),
    ...(isAlone ? [", judged alone: no other member was alive"] : []),
  ].join("");

const outcomes: Record<UpdateEnd["outcome"], string> = {
  committed: "committed",
  failed: "failed, and the device returned",
  void: "ended without a verdict",
};

/** The newest first. */
export const historyTable = (history: readonly End[]): string[] =>
  filledTable(
    ["when", "from", "to", "outcome", "check", "message"],
    history.map(({ atMs, from, to, outcome, check = "", message = "", isAlone }) => [
      new Date(atMs).toISOString().slice(0, 16).replace("T", " "),
      ...[from, to, isAlone ? `${outcome}, alone` : outcome, check, message],
    ]),
  );
