// What keeps a device from an update that is its turn: the updater's trouble, and somebody at work.
// Pure. Times are monotonic.
import { dayMs } from "./ranking.ts";
import type { Busy, Order, Trouble, Updater, View } from "./view.ts";
import { isStuck } from "./words.ts";

/** Somebody at work delays a restart by so much at most. */
export const maxBusyMs = dayMs;
/** What keeps this device for longer the others are told of; what is over sooner is worth no word. */
const tellMs = 2 * 60_000;
/** One trouble may come after the other, and each word is written to every card. */
const tellAgainMs = 60 * 60_000;

export const noUpdater = "update.noUpdater";

/** The updater's trouble after this report of it. */
export function troubleAfter(before: Trouble | undefined, updater: Updater, nowMs: number): Trouble | undefined {
  switch (updater.phase) {
    case "refusing": {
      const { code, release = before?.release } = updater;
      const isOther = before?.release !== undefined && before.release !== release;
      return { code, release, sinceMs: isOther ? nowMs : (before?.sinceMs ?? nowMs) };
    }
    case "silent":
      return { code: noUpdater, sinceMs: before?.sinceMs ?? nowMs };
    case "free":
    case "busy":
      return before?.code === noUpdater ? undefined : before;
    case "none":
    case "preparing":
    case "ready":
    case "restarting":
    case "trying":
      return undefined;
  }
}

const works: readonly Busy["what"][] = ["session", "install", "inhibitor"];
/** A device says so of somebody who is at work on it. */
const atWork = (what: Busy["what"]): string => `people.${what}`;
export const workOf = (check: string): Busy["what"] | undefined => works.find((what) => check === atWork(what));

/** What keeps this device alone from beginning, as a code for the others. */
export function ownTrouble(
  { updater, trouble, busy }: View,
  { release }: Order,
  nowMs: number,
): { check: string; sinceMs: number } | undefined {
  if (trouble && (trouble.release ?? release) === release) return { check: trouble.code, sinceMs: trouble.sinceMs };
  const isReady = updater.phase === "ready" && updater.release === release;
  if (!isReady || !busy || nowMs - busy.sinceMs >= maxBusyMs) return undefined;
  return { check: atWork(busy.what), sinceMs: busy.sinceMs };
}

/** When this device has to tell of what keeps it. */
export const troubleDueAtMs = (view: View, order: Order, nowMs: number): number | undefined => {
  const trouble = ownTrouble(view, order, nowMs);
  return trouble && Math.max(trouble.sinceMs + tellMs, (view.toldAtMs ?? Number.NEGATIVE_INFINITY) + tellAgainMs);
};

/** Until when the others wait for this device, once they know. */
export function troubleTimes(
  { trouble, results, self }: View,
  { rollout, release }: Order,
  nowMs: number,
): { sinceMs: number; untilMs?: number } {
  const told = results.get(self);
  const isTold = told?.rollout === rollout && told.release === release && isStuck(told);
  const sinceMs = Math.min(trouble?.sinceMs ?? nowMs, isTold ? told.heardAtMs : nowMs);
  return { sinceMs, ...(isTold && { untilMs: told.heardAtMs + dayMs }) };
}
