// Says in words what an updater does and how updates ended, on the page and in the terminal.
// Pure.
import type { UpdateActivity, UpdateEnd } from "../provisioning/handover/update.ts";
import { bytes, duration, percent } from "./words.ts";

export function activityText(activity: UpdateActivity, now: number): string {
  switch (activity.phase) {
    case "idle":
      return "nothing";
    case "checking":
      return "checking for a release";
    case "writing":
      return activity.totalBytes === 0
        ? `preparing ${activity.version}`
        : `writing ${activity.version}: ${percent(share(activity))} (${activity.part}), ${fetchedText(activity)}`;
    case "verifying":
      return `verifying ${activity.version}: ${percent(share(activity))}`;
    case "ready": {
      const why = activity.because ? `; it did not start: ${activity.because.message} (${activity.because.code})` : "";
      return `${activity.version} is ready, and starts when somebody asks for it${why}`;
    }
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

/** The part of an activity that is done, of 1. */
export const share = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): number =>
  totalBytes === 0 ? 0 : doneBytes / totalBytes;

export const fetchedText = ({ fetchedBytes, forecastBytes }: { fetchedBytes: number; forecastBytes: number }): string =>
  `fetched ${bytes(fetchedBytes)} of ${bytes(forecastBytes)}`;

/** Without the log, which only the device itself shows. */
export type End = Omit<UpdateEnd, "log">;
export const endText = ({ from, to, outcome, check, message, isAlone, isUnwitnessed, witnesses }: End): string =>
  [
    `${from} -> ${to} ${outcomes[outcome]}`,
    ...(check === undefined ? [] : [` (${check}${message === undefined ? "" : `: ${message}`})`]),
    ...(isAlone ? [", judged alone: no other member was alive"] : []),
    ...(isUnwitnessed ? [", without witnesses: no member that was alive could be one"] : []),
    ...(witnesses ? [`, ${witnessesText(witnesses)}`] : []),
  ].join("");

export function witnessesText(witnesses: NonNullable<End["witnesses"]>): string {
  const full = witnesses.filter(({ handshake, gossip, connection }) => handshake && gossip && connection);
  return `${full.length} of ${witnesses.length} witness${witnesses.length === 1 ? "" : "es"} confirmed it`;
}

const outcomes: Record<UpdateEnd["outcome"], string> = {
  committed: "committed",
  failed: "failed, and the device returned",
  void: "ended without a verdict",
  left: "returned, as somebody asked",
  rescued: "returned, because the slot no longer started",
};
