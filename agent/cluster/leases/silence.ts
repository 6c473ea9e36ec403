// For how long others have said nothing, restarts of this device included: counted while it runs, and on disk in whole hours.
// Pure.
import { isAlive, type Turn, type View } from "./state.ts";
import { dayMs, hourMs } from "./terms.ts";

/**
 * An hour of the day must pass after a start, three times what a lease lasts: a card can come back as it was yesterday, and others with
 * it since.
 */
export const mostSilentHours = 23;

export const silentSince = ({ heard, heardBefore, startedMs }: View, id: string): number =>
  heard.get(id)?.atMs ?? heardBefore.get(id) ?? startedMs;

/** One that is silent for a day is out of it. */
export const isOut = (view: View, id: string, now: number): boolean => now - silentSince(view, id) >= dayMs;

/** Once an hour, and as soon as somebody is back. */
export function noteSilence({ view, now }: Turn): void {
  const hours = new Map<string, number>();
  for (const id of new Set([...view.list.voters, ...view.members])) {
    const silent = Math.min(mostSilentHours, Math.floor((now - silentSince(view, id)) / hourMs));
    if (silent > 0 && !isAlive(view, id)) hours.set(id, silent);
  }
  const isBack = [...view.silentHours.keys()].some((id) => !hours.has(id));
  if (!isBack && now < view.silenceAt) return;
  view.silentHours = hours;
  view.silenceAt = now + hourMs;
}
