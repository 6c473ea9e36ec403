// The hours in which devices may restart, by their own time.
// Pure.
import type { Moment } from "./view.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** A device that no time server has answered for so long does not know the hour. */
const unsyncedMs = dayMs;

/** `until`: when the hours begin, monotonic. `isIgnored`: nobody knows the hour here. */
export type Hours = { isOpen: boolean; isIgnored: boolean; untilMs: number };

export function hoursOf(window: string | undefined, clock: Moment, nowMs: number): Hours {
  if (window === undefined) return { isOpen: true, isIgnored: false, untilMs: nowMs };
  const { unsyncedSinceMs } = clock;
  if (unsyncedSinceMs !== undefined && nowMs - unsyncedSinceMs >= unsyncedMs) {
    return { isOpen: true, isIgnored: true, untilMs: nowMs };
  }
  const [from = 0, to = 0] = window.split("-").map(timeOf);
  // In whole ms: a fraction before the hour its beginning would be now, and would have no event of its own.
  const time = Math.round(clock.minute * minuteMs + nowMs - clock.atMs) % dayMs;
  const isOpen = from <= to ? time >= from && time < to : time >= from || time < to;
  return { isOpen, isIgnored: false, untilMs: nowMs + ((from - time + dayMs) % dayMs) };
}

/** In ms since midnight. */
function timeOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return (hours * 60 + minutes) * minuteMs;
}
