// A voter: grants leases, and says nothing after a restart until it knows what it may have forgotten.
// Pure.
import type { State as Liveness } from "../news.ts";
import { majorityOf } from "./list.ts";
import { type LeaseMessage, mostAway } from "./messages.ts";
import { activeGrants, type Grant, isVoter, send, type Turn, type View } from "./state.ts";
import { compareBallots, dayMs, leaseMs, mostSlots } from "./terms.ts";

type Asked = LeaseMessage & { type: "ask" };
/** A holder that is never done must let others have their turn: six times what a restart takes. */
const mostHeldMs = 6 * leaseMs;
/** Of each member, which asks for one at a time. */
const mostFreed = 8;
/** As many askings of one holder may stand beside each other. */
const mostClaims = 3;
/** What a member said counts as long as it is still said: states come every 30 s. */
export const freshMs = 5 * 60_000;
/** How long a voter waits until it and a member that goes by another list agree; one that insists stops nobody longer. */
const mergeMs = mostHeldMs;

export function hearAsk(turn: Turn, from: string, { list, claim, round, slot }: Asked): void {
  const { view, now } = turn;
  if (view.freed.get(from)?.includes(claim)) return;
  const held = activeGrants(view, now);
  const before = held.filter((grant) => grant.holder === from && grant.slot === slot);
  const own = before[0];
  const other = held.find((grant) => grant.holder !== from && grant.slot === slot);
  const deny = (why: "held" | "settling", by?: Grant) =>
    send(turn, from, {
      ...{ type: "deny", claim, round, why },
      ...(by && { holder: by.holder, leftMs: Math.ceil(Math.min(leaseMs, by.untilMs - now)) }),
    });
  if (list.founder !== view.list.founder || list.number !== view.list.number || !isVoter(view)) {
    send(turn, from, stateOf(view, now));
    deny("settling");
    return;
  }
  const isUndecided = !view.isReady || view.accepted !== undefined || (!own && isMerging(view, now));
  const sinceMs = Math.min(now, ...before.map((grant) => grant.sinceMs));
  const isTooLong = now - sinceMs > mostHeldMs;
  // An asking that comes late must not take the place of a newer one: the end of it would end both. Which is newer its holder knows.
  const stays = from === view.self ? [] : before.filter((grant) => grant.claim !== claim);
  const isTooMany = stays.length >= mostClaims;
  if (other) deny("held", other);
  else if (isUndecided) deny("settling");
  else if (isTooLong || isTooMany) deny("held", own);
  if (other || isUndecided || isTooLong || isTooMany) return;
  const grant: Grant = { slot, holder: from, claim, sinceMs, untilMs: now + leaseMs };
  view.grants = [...held.filter((one) => !before.includes(one)), grant, ...stays];
  // Whoever looks at any member sees it soon.
  if (!own) view.announceAt = now;
  send(turn, from, { type: "grant", claim, round, away: awayFrom(view, from, now) });
  if (stays.length > 0) send(turn, from, stateOf(view, now));
}

/** Members that have been gone for less than a day. */
function awayFrom(view: View, asker: string, now: number): string[] {
  const ids: string[] = [];
  for (const [id, { state, sinceMs }] of view.liveness) {
    const isAway = state === "dead" && now - sinceMs < dayMs && view.members.has(id) && !view.ended.has(id);
    if (isAway && id !== asker) ids.push(id);
  }
  return ids.slice(0, mostAway);
}

/** Whether a group that began apart may be here and has not given way yet: it may have a holder of its own. */
function isMerging(view: View, now: number): boolean {
  if (silent(view, now).length > 0) return true;
  for (const [id, sinceMs] of view.foreign) {
    const said = view.heard.get(id);
    const isCurrent = said && said.list.founder !== view.list.founder && now - said.atMs < freshMs;
    if (isCurrent && now - sinceMs < mergeMs) return true;
  }
  return false;
}

/** Members that have just come and not told by which list they go. One that never tells is of an earlier release, and stops nobody for long. */
export const silent = (view: View, now: number): string[] =>
  [...view.members].filter((id) => {
    const spentMs = silentMs(view, id, now);
    return spentMs !== undefined && spentMs < freshMs;
  });

/** How long a member that is alive and has not told since it came has been so, earlier times included. */
function silentMs({ liveness, heard, silence }: View, id: string, now: number): number | undefined {
  const { state, sinceMs } = liveness.get(id) ?? {};
  if (state !== "alive" || sinceMs === undefined || (heard.get(id)?.atMs ?? Number.NEGATIVE_INFINITY) >= sinceMs)
    return undefined;
  return (silence.get(id) ?? 0) + now - sinceMs;
}

export function noteLiveness({ view, now }: Turn, states: ReadonlyMap<string, Liveness>): void {
  const liveness = new Map(view.liveness);
  const silence = new Map(view.silence);
  for (const [id, state] of states) {
    if (liveness.get(id)?.state === state) continue;
    // Else a member that comes and goes would begin anew each time.
    const spentMs = silentMs(view, id, now);
    if (spentMs !== undefined && view.members.has(id)) silence.set(id, spentMs);
    liveness.set(id, { state, sinceMs: now });
  }
  view.liveness = liveness;
  view.silence = silence;
}

export function hearFree(turn: Turn, from: string, claim: string): void {
  const { view, now } = turn;
  const isIt = (grant: Grant) => grant.claim === claim && grant.holder === from;
  if (view.grants.some(isIt)) view.announceAt = now;
  const before = view.freed.get(from) ?? [];
  view.freed = new Map(view.freed).set(from, [...before.filter((one) => one !== claim), claim].slice(-mostFreed));
  view.grants = view.grants.filter((grant) => !isIt(grant));
}

/** After a restart under a lease, and after an asking that came late: what a voter still holds for this member by an older claim. */
export function giveBackOlder(turn: Turn, from: string, told: readonly Grant[]): void {
  const { view } = turn;
  const own = told.filter(({ holder }) => holder === view.self);
  const current = own.find((grant) => grant.claim === view.claim?.id);
  for (const { slot, claim } of own)
    if (current && current.slot === slot && current.claim !== claim) send(turn, from, { type: "free", claim });
}

export function stateOf(view: View, now: number, isQuestion = false): LeaseMessage {
  const { list, promised, accepted } = view;
  const grants = activeGrants(view, now).map(({ slot, holder, claim, sinceMs, untilMs }) => ({
    ...{ slot, holder, claim },
    heldMs: Math.floor(now - sinceMs),
    leftMs: Math.ceil(Math.min(leaseMs, untilMs - now)),
  }));
  // Each slot first: the others must hear who has one.
  const firsts = grants.filter(({ slot }, at) => grants.findIndex((one) => one.slot === slot) === at);
  const shown = [...firsts, ...grants.filter((grant) => !firsts.includes(grant))].slice(0, mostSlots);
  return { type: "state", list, promised, accepted, grants: shown, isQuestion };
}

/** Of whom a voter that may have forgotten something has not heard enough. */
export function unheard(view: View, now: number): string[] {
  return othersOf(view).filter((id) => !isHeard(view, id, now));
}

const othersOf = ({ list, self, ended }: View): string[] => list.voters.filter((id) => id !== self && !ended.has(id));

/** One that is silent for a day is out of it. */
const isHeard = (view: View, id: string, now: number): boolean => {
  const said = view.heard.get(id);
  return said ? said.atMs >= view.settleFrom : now - view.startedMs >= dayMs;
};

/**
 * A voter may have forgotten what it wrote: a card can come back as it was yesterday. Whatever it took part in, a majority with it did,
 * so that of enough others one remembers: as many as leave less than such a majority out. Their grants become its own.
 */
export function settle(turn: Turn): void {
  const { view, now } = turn;
  if (view.isReady || !isVoter(view) || now < view.settleFrom) return;
  const size = view.list.voters.length;
  const others = othersOf(view);
  const heard = others.filter((id) => isHeard(view, id, now));
  if (heard.length < Math.min(others.length, size - majorityOf(size) + 1)) return;
  if (view.list.number === 1 && !knowsOthers(view, now)) return;
  // It is behind: the list that it lacks comes first.
  for (const sinceMs of view.ahead.values()) if (now - sinceMs < mergeMs) return;
  for (const id of heard) {
    const said = view.heard.get(id);
    if (!said || said.list.founder !== view.list.founder || said.list.number !== view.list.number) continue;
    if (compareBallots(said.accepted?.ballot, view.accepted?.ballot) > 0) view.accepted = said.accepted;
    if (compareBallots(said.promised, view.promised) > 0) view.promised = said.promised;
  }
  for (const grant of heard.flatMap((id) => view.heard.get(id)?.grants ?? [])) adopt(turn, grant);
  view.isReady = true;
}

/** A device with a list of its own that knows members has lost the common one, or comes from a release that had none. */
function knowsOthers(view: View, now: number): boolean {
  const ids = [...view.members].filter((id) => !view.ended.has(id));
  return ids.length === 0 || now - view.startedMs >= dayMs || ids.some((id) => isHeard(view, id, now));
}

function adopt({ view, now }: Turn, grant: Grant): void {
  if (grant.untilMs <= now) return;
  const own = view.grants.find(
    ({ slot, holder, claim }) => slot === grant.slot && holder === grant.holder && claim === grant.claim,
  );
  const longer = { ...grant, untilMs: Math.max(grant.untilMs, own?.untilMs ?? 0) };
  view.grants = [...view.grants.filter((one) => one !== own), longer].slice(0, 2 * mostSlots);
}
