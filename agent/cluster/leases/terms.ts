// How long leases and their rounds last, and the words that voters use.
// Pure.
import type { Change } from "./list.ts";

/**
 * A restart takes the trial's 3 minutes, and 10 more until whoever is not back has failed. The last renewal is at most 150 s old when
 * the device goes down, so that 20 minutes cover that: the holder's own deadline included, which comes after nine tenths.
 */
export const leaseMs = 20 * 60_000;
/** Nine tenths: earlier than the voters' however much two clocks differ. */
export const holderMs = leaseMs * 0.9;
export const renewMs = 150_000;
/** Answers that come later do not count, so that a voter that restarts knows when its forgotten grants are with other voters too. */
export const roundMs = 10_000;
/** How long a voter says nothing after a restart, before it asks the others what it may have forgotten. */
export const settleMs = 30_000;
/** A holder that is never done must let others have their turn: six times what a restart takes. */
export const mostHeldMs = 6 * leaseMs;
/** How long a voter waits until it and a member that goes by another list agree; one that insists stops nobody longer. */
export const mergeMs = mostHeldMs;
export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
/** As many may hold a lease at once, if a rollout allows it. */
export const mostSlots = 4;

/** Why a voter grants nothing: to another, or not yet. */
export type Refusal = "held" | "settling";
/** Why a voter grants nothing: who holds it and for how long, or who it waits for itself and how long at most. */
export type Reason = {
  why: Refusal;
  holder?: string | undefined;
  leftMs?: number | undefined;
  awaits?: string | undefined;
  waitsMs?: number | undefined;
};
/** Higher rounds win, then higher ids. */
export type Ballot = readonly [round: number, id: string];
export type Accepted = { readonly ballot: Ballot; readonly change: Change };

/** Honest ones go up by one. One with the last round there is could never be outdone, and no list change any more. */
const mostAhead = 1_000;

/** Where a voter that has promised `promised` goes when it hears of `ballot`: there, or as far towards it as one word may take it. */
export function towards(promised: Ballot | undefined, ballot: Ballot): Ballot {
  const most = (promised?.[0] ?? 0) + mostAhead;
  return ballot[0] <= most ? ballot : [most, ballot[1]];
}

export const compareBallots = (a: Ballot | undefined, b: Ballot | undefined): number => {
  if (!a || !b) return a ? 1 : b ? -1 : 0;
  return a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0);
};
