// A voter: grants leases, and tells what it has granted.
// Pure.
import type { State as Liveness } from "../news.ts";
import { type LeaseMessage, mostAway } from "./messages.ts";
import { awaited } from "./settle.ts";
import { activeGrants, type Grant, isVoter, send, type Turn, type View } from "./state.ts";
import { dayMs, leaseMs, mergeMs, mostHeldMs, mostSlots } from "./terms.ts";

type Asked = LeaseMessage & { type: "ask" };
/** Of each member, which asks for one at a time. */
const mostFreed = 8;
/** As many askings of one holder may stand beside each other. */
const mostClaims = 3;
/** What a member said counts as long as it is still said: states come every 30 s. */
export const freshMs = 5 * 60_000;

export function hearAsk(turn: Turn, from: string, { list, claim, round, slot }: Asked): void {
  const { view, now } = turn;
  if (view.freed.get(from)?.includes(claim)) return;
  const held = activeGrants(view, now);
  const before = held.filter((grant) => grant.holder === from && grant.slot === slot);
  const own = before[0];
  const other = held.find((grant) => grant.holder !== from && grant.slot === slot);
  const denial = { type: "deny", claim, round } as const;
  const denyHeld = (by: Grant) => {
    const leftMs = Math.ceil(Math.min(leaseMs, by.untilMs - now));
    send(turn, from, { ...denial, why: "held", holder: by.holder, leftMs });
  };
  const denySettling = () => {
    const { id: awaits, untilMs } = awaited(view, now) ?? {};
    const waitsMs = untilMs && Math.ceil(Math.min(dayMs, untilMs - now));
    send(turn, from, { ...denial, why: "settling", awaits, waitsMs });
  };
  if (list.founder !== view.list.founder || list.number !== view.list.number || !isVoter(view)) {
    send(turn, from, stateOf(view, now));
    denySettling();
    return;
  }
  const isUndecided = !view.isReady || view.accepted !== undefined || (!own && isMerging(view, now));
  const sinceMs = Math.min(now, ...before.map((grant) => grant.sinceMs));
  const isTooLong = now - sinceMs > mostHeldMs;
  // An asking that comes late must not take the place of a newer one: the end of it would end both. Which is newer its holder knows.
  const stays = from === view.self ? [] : before.filter((grant) => grant.claim !== claim);
  const isTooMany = stays.length >= mostClaims;
  if (other) denyHeld(other);
  else if (isUndecided) denySettling();
  else if (own && (isTooLong || isTooMany)) denyHeld(own);
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
  const heardBefore = new Map(view.heardBefore);
  for (const [id, state] of states) {
    if (liveness.get(id)?.state === state) continue;
    if (state === "alive") heardBefore.delete(id);
    // Else a member that comes and goes would begin anew each time.
    const spentMs = silentMs(view, id, now);
    if (spentMs !== undefined && view.members.has(id)) silence.set(id, spentMs);
    // Not alive since this device started: it was away before.
    liveness.set(id, { state, sinceMs: heardBefore.get(id) ?? now });
  }
  view.liveness = liveness;
  view.silence = silence;
  view.heardBefore = heardBefore;
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
  for (const { slot, claim } of own) {
    const isOlder = current && current.slot === slot && current.claim !== claim;
    if (isOlder || view.isDone) send(turn, from, { type: "free", claim });
  }
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
