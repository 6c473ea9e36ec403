// A log of writes as a checker takes it, and what turns it into the log of a worse updater.
// Pure.
import type { LogEntry } from "../../../image/lab/power/write-log.ts";

/** `index`: its place in the log as recorded, which says what the device had promised by then. */
export type Numbered = LogEntry & { index: number };

/** The log of an updater that does not flush between two places of the recorded one. */
export const strikeFlushes = (entries: readonly Numbered[], from: number, until: number): Numbered[] =>
  entries.filter(({ kind, index }) => kind !== "flush" || index < from || index >= until);

/** The log of an updater that does what it did in `moved` already before `place`. */
export function moveBefore(
  entries: readonly Numbered[],
  moved: { from: number; until: number },
  place: number,
): Numbered[] {
  const isMoved = ({ index }: Numbered) => index >= moved.from && index < moved.until;
  const rest = entries.filter((entry) => !isMoved(entry));
  const at = rest.findIndex(({ index }) => index >= place);
  return [...rest.slice(0, at), ...entries.filter(isMoved), ...rest.slice(at)];
}
