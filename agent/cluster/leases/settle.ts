// What a voter waits for after a restart, before it grants or accepts anything.
// Pure.
import { majorityOf } from "./list.ts";
import { isOut, silentSince } from "./silence.ts";
import { type Grant, isVoter, type Turn, type View } from "./state.ts";
import { compareBallots, dayMs, mergeMs, mostSlots, towards } from "./terms.ts";

/** Of whom a voter that may have forgotten something has not heard enough. */
export function unheard(view: View, now: number): string[] {
  return othersOf(view).filter((id) => !isHeard(view, id, now));
}

const othersOf = ({ list, self, ended }: View): string[] => list.voters.filter((id) => id !== self && !ended.has(id));

const hasTold = ({ heard, settleFrom }: View, id: string): boolean =>
  (heard.get(id)?.atMs ?? Number.NEGATIVE_INFINITY) >= settleFrom;

const isHeard = (view: View, id: string, now: number): boolean => hasTold(view, id) || isOut(view, id, now);

/** How many others it takes. */
const neededOf = ({ list }: View, others: readonly string[]): number =>
  Math.min(others.length, list.voters.length - majorityOf(list.voters.length) + 1);

/** When a voter that has restarted grants again at the latest, and whose word would do before. */
export function awaited(view: View, now: number): { id?: string; untilMs: number } | undefined {
  if (view.isReady || !isVoter(view)) return undefined;
  if (now < view.settleFrom) return { untilMs: view.settleFrom };
  const others = othersOf(view);
  const missing = unheard(view, now).toSorted((a, b) => silentSince(view, a) - silentSince(view, b));
  const id = missing[neededOf(view, others) - (others.length - missing.length) - 1];
  return id === undefined ? undefined : { id, untilMs: silentSince(view, id) + dayMs };
}

/**
 * A voter may have forgotten what it wrote: a card can come back as it was yesterday. Whatever it took part in, a majority with it did,
 * so that of enough others one remembers: as many as leave less than such a majority out. Their grants become its own.
 */
export function settle(turn: Turn): void {
  const { view, now } = turn;
  if (view.isReady || !isVoter(view) || now < view.settleFrom) return;
  const others = othersOf(view);
  const heard = others.filter((id) => isHeard(view, id, now));
  if (heard.length < neededOf(view, others)) return;
  if (view.list.number === 1 && !knowsOthers(view, now)) return;
  // It is behind: the list that it lacks comes first.
  for (const sinceMs of view.ahead.values()) if (now - sinceMs < mergeMs) return;
  for (const id of heard) {
    const said = view.heard.get(id);
    if (!said || said.list.founder !== view.list.founder || said.list.number !== view.list.number) continue;
    if (compareBallots(said.accepted?.ballot, view.accepted?.ballot) > 0) view.accepted = said.accepted;
    if (said.promised && compareBallots(said.promised, view.promised) > 0)
      view.promised = towards(view.promised, said.promised);
  }
  for (const grant of heard.flatMap((id) => view.heard.get(id)?.grants ?? [])) adopt(turn, grant);
  view.isReady = true;
}

/** A device with a list of its own that knows members has lost the common one, or comes from a release that had none. */
function knowsOthers(view: View, now: number): boolean {
  const ids = [...view.members].filter((id) => !view.ended.has(id));
  return ids.some((id) => hasTold(view, id)) || ids.every((id) => isOut(view, id, now));
}

function adopt({ view, now }: Turn, grant: Grant): void {
  // What its holder has given back since others told of it is over.
  if (grant.untilMs <= now || view.freed.get(grant.holder)?.includes(grant.claim)) return;
  const own = view.grants.find(
    ({ slot, holder, claim }) => slot === grant.slot && holder === grant.holder && claim === grant.claim,
  );
  const longer = { ...grant, untilMs: Math.max(grant.untilMs, own?.untilMs ?? 0) };
  view.grants = [...view.grants.filter((one) => one !== own), longer].slice(0, 2 * mostSlots);
}
