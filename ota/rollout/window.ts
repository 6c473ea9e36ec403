// The hours in which devices may restart, by their own time.
// Pure.
import type { Moment } from "./view.ts";

const minuteMs = 60_000;
const dayMinutes = 24 * 60;
/** A device that no time server has answered for so long does not know the hour. */
const unsyncedMs = dayMinutes * minuteMs;

/** `until`: when the hours begin, monotonic. `isIgnored`: nobody knows the hour here. */
export type Hours = { isOpen: boolean; isIgnored: boolean; untilMs: number };

export function hoursOf(window: string | undefined, clock: Moment, nowMs: number): Hours {
  if (window === undefined) return { isOpen: true, isIgnored: false, untilMs: nowMs };
  const { unsyncedSinceMs } = clock;
  if (unsyncedSinceMs !== undefined && nowMs - unsyncedSinceMs >= unsyncedMs) {
    return { isOpen: true, isIgnored: true, untilMs: nowMs };
  }
  const [from = 0, to = 0] = window.split("-").map(minuteOf);
  const exact = clock.minute + (nowMs - clock.atMs) / minuteMs;
  const minute = exact % dayMinutes;
  const isOpen = from <= to ? minute >= from && minute < to : minute >= from || minute < to;
  return { isOpen, isIgnored: false, untilMs: nowMs + ((from - minute + dayMinutes) % dayMinutes) * minuteMs };
}

function minuteOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return hours * 60 + minutes;
}
