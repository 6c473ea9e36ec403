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

/** It has been at something for long, and nothing has come of it. */
export const busyUpdater = "update.busy";
/** A check on a slow line, or a chunk of the release, may take a while. */
const stillMs = 30 * 60_000;

/** The updater's trouble after this report of it. Reports come only when something has changed. */
export function troubleAfter(before: Trouble | undefined, updater: Updater, nowMs: number): Trouble | undefined {
  switch (updater.phase) {
    case "refusing": {
      const earlier = before?.code === busyUpdater ? undefined : before;
      const { code, release = earlier?.release } = updater;
      const isOther = earlier?.release !== undefined && earlier.release !== release;
      return { code, release, sinceMs: isOther ? nowMs : (earlier?.sinceMs ?? nowMs) };
    }
    case "silent":
      return { code: noUpdater, sinceMs: before?.code === busyUpdater ? nowMs : (before?.sinceMs ?? nowMs) };
    case "free":
      return before?.code === noUpdater || before?.code === busyUpdater ? undefined : before;
    case "busy":
      return before && before.code !== noUpdater ? before : { code: busyUpdater, sinceMs: nowMs };
    case "preparing":
    case "restarting":
    case "trying":
      return { code: busyUpdater, sinceMs: nowMs };
    case "none":
    case "ready":
      return undefined;
  }
}

const works: readonly Busy["what"][] = ["session", "install", "inhibitor"];
/** A device says so of somebody who is at work on it. */
const atWork = (what: Busy["what"]): string => `people.${what}`;
export const workOf = (check: string): Busy["what"] | undefined => works.find((what) => check === atWork(what));

const isAtSomething = ({ updater, trouble }: View) => trouble?.code === busyUpdater && updater.phase !== "refusing";

/** Its updater is at something, and it has been the same for long. */
export const isStill = (view: View, nowMs: number): boolean =>
  isAtSomething(view) && nowMs >= view.trouble!.sinceMs + stillMs;

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
  const afterMs = isAtSomething(view) ? stillMs : tellMs;
  return trouble && Math.max(trouble.sinceMs + afterMs, (view.toldAtMs ?? Number.NEGATIVE_INFINITY) + tellAgainMs);
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
