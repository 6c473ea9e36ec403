// How long a hold lasts here: as long as it was signed for, from when this device first heard it.
// Pure. The device's own clock may be years off, so it may only end a hold earlier, and only while a time server answers.
import type { HeardHold, Hold, Moment, View } from "./view.ts";

/** systemd-timesyncd asks every 34 min at least. */
const answeredMs = 60 * 60_000;

const isSame = (one: Hold, other: Hold): boolean =>
  one.device === other.device && one.untilWallMs === other.untilWallMs && one.lastsMs === other.lastsMs;

export const areSame = (one: readonly Hold[], other: readonly Hold[]): boolean =>
  one.length === other.length && one.every((hold) => other.some((known) => isSame(hold, known)));

export const hearHolds = (before: readonly HeardHold[], holds: readonly Hold[], nowMs: number): HeardHold[] =>
  holds.map((hold) => ({ ...hold, heardAtMs: before.find((known) => isSame(known, hold))?.heardAtMs ?? nowMs }));

/** Since its start a device counts as unanswered, so only that the time moves on is an answer. */
export function answerAt({ clock, answeredAtMs }: View, { atMs, unsyncedSinceMs }: Moment): number | undefined {
  if (unsyncedSinceMs === undefined) return atMs;
  const hasMoved = clock.unsyncedSinceMs !== undefined && unsyncedSinceMs > clock.unsyncedSinceMs;
  return hasMoved ? unsyncedSinceMs : answeredAtMs;
}

/** When it ends, monotonic. */
export function endOfHold({ clock, answeredAtMs }: View, hold: HeardHold, nowMs: number): number {
  const untilMs = hold.heardAtMs + hold.lastsMs;
  const isClockRight = answeredAtMs !== undefined && nowMs - answeredAtMs < answeredMs;
  return isClockRight ? Math.min(untilMs, clock.atMs + hold.untilWallMs - clock.wallMs) : untilMs;
}
