// How much work the word of one member may cause the others: looks at those it accuses, refutations, news passed on, its own records.
// Pure.

export type Allowance = { left: number; at: number };

/** Enough for an honest accuser in a neighborhood that falls apart, too little for a hostile one to wear the others out. */
const BURST = 6;
const EVERY_MS = 5_000;

/** What is left after one more piece of work; undefined if that is too much. */
export function spend(allowance: Allowance | undefined, now: number): Allowance | undefined {
  const { left, at } = allowance ?? { left: BURST, at: now };
  const level = Math.min(BURST, left + Math.max(0, now - at) / EVERY_MS);
  return level < 1 ? undefined : { left: level - 1, at: now };
}
