// Formats what an updater reports for a terminal.
// Pure.
import type { UpdateStatus } from "../../../agent/api/schema.ts";
import { activityText, type End, endText, witnessesText } from "../../../dashboard/update-words.ts";
import { duration } from "../../../dashboard/words.ts";
import { again } from "../../terminal/again.ts";
import type { Values } from "../../terminal/command.ts";
import { filledTable } from "../../terminal/table.ts";

/** `told`: of which device, as somebody has typed it. */
export function updateText(name: string, update: UpdateStatus, now: number, told: Values = {}): string[] {
  const { running, activity, newest, checkedAtMs, earlier, failed, fallback, last } = update;
  const ago = (atMs: number) => `${duration((now - atMs) / 1000)} ago`;
  return [
    `${name} runs ${running.version} (slot ${running.slot})`,
    `newest release: ${newest ?? "unknown"}${checkedAtMs === undefined ? ", not checked yet" : `, checked ${ago(checkedAtMs)}`}`,
    ...(earlier === undefined
      ? []
      : [`the release before: ${earlier}; go back to it: ${again("hamlet update back", told)}`]),
    ...(activity.phase === "idle" ? [] : [`now: ${activityText(activity, now)}`]),
    ...(last ? [`last update: ${endText(last)}, ${ago(last.atMs)}`] : []),
    ...(failed.length > 0
      ? [`failed, so not tried again until \`${again("hamlet update retry", told)}\`: ${failed.join(", ")}`]
      : []),
    ...(fallback
      ? [`${name} fell back: ${endText(fallback)}; acknowledge it: ${again("hamlet update seen", told)}`]
      : []),
  ];
}

/** The newest first. */
export const historyTable = (history: readonly End[]): string[] =>
  filledTable(
    ["when", "from", "to", "outcome", "witnesses", "check", "message"],
    history.map(({ atMs, from, to, outcome, check = "", message = "", isAlone, isUnwitnessed, witnesses }) => [
      new Date(atMs).toISOString().slice(0, 16).replace("T", " "),
      ...[from, to, isAlone ? `${outcome}, alone` : outcome],
      ...[witnesses ? witnessesText(witnesses) : isUnwitnessed ? "none" : "", check, message],
    ]),
  );
