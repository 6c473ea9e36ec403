// What members say of their lists, and when this one takes a list over from them.
// Pure.
import { changed, foundedBy, isSameList, isSmall, isSound, majorityOf, outranks, type VoterList } from "./list.ts";
import type { LeaseMessage } from "./messages.ts";
import { isOut } from "./silence.ts";
import { activeGrants, type Heard, isAlive, isVoter, send, type Turn, type View } from "./state.ts";
import { type Ballot, compareBallots, dayMs, leaseMs, settleMs } from "./terms.ts";
import { freshMs, giveBackOlder, stateOf } from "./voter.ts";

type Told = LeaseMessage & { type: "state" };
const queryMs = 5_000;
/** The furthest that a list may be ahead: one with the last number there is could never change again. */
const mostAhead = 1_000;
const mostFirst = 2 ** 32;

export function hearState(turn: Turn, from: string, told: Told): void {
  const { view, now } = turn;
  const { list, promised, accepted, isQuestion } = told;
  const grants = told.grants.map(({ heldMs, leftMs, ...grant }) => ({
    ...grant,
    ...{ sinceMs: now - heldMs, untilMs: now + leftMs },
  }));
  const heard: Heard = { atMs: now, list, promised, accepted, grants };
  view.heard = new Map(view.heard).set(from, heard);
  if (view.silence.has(from)) view.silence = new Map([...view.silence].filter(([id]) => id !== from));
  giveBackOlder(turn, from, grants);
  noteFounder(turn, from, list);
  follow(turn, from, list);
  decide(turn);
  noteAhead(turn, from);
  if (isQuestion || outranks(view.list, list)) send(turn, from, stateOf(view, now));
}

/** Since when a member tells of another founder: kept for a day, so that it does not begin anew each hour. */
function noteFounder({ view, now }: Turn, from: string, { founder }: VoterList): void {
  const since = view.foreign.get(from);
  const isForeign = founder !== view.list.founder;
  const foreign = new Map(view.foreign);
  if (isForeign && since === undefined) foreign.set(from, now);
  else if (!isForeign && since !== undefined && now - since >= dayMs) foreign.delete(from);
  else return;
  view.foreign = foreign;
}

function noteAhead({ view, now }: Turn, from: string): void {
  if (view.ahead.size === 0 && !countsMore(view, view.heard.get(from)!.list)) return;
  const ids = [...view.heard].flatMap(([id, said]) => (isFresh(said, now) && countsMore(view, said.list) ? [id] : []));
  view.ahead = new Map(ids.map((id) => [id, view.ahead.get(id) ?? now]));
}

/**
 * Whether `list` may take the place of ours: one whose voters are all gone for good decides nothing any more, nor does one by which members
 * have no majority. So few as two follow one member's word: in a home of two nobody else could tell, and of three each is a voter within
 * seconds. Names that nobody knows would outlast whoever made them up.
 */
function countsMore({ self, list: own, ended, members }: View, list: VoterList): boolean {
  const most = list.founder === own.founder ? own.number + mostAhead : mostFirst;
  if (!outranks(list, own) || list.number > most || list.voters.every((id) => ended.has(id))) return false;
  return list.voters.filter((id) => id === self || members.has(id)).length >= majorityOf(list.voters.length);
}

/** Once all voters are gone for good, whoever is left begins anew, after the last lease that those may have granted. */
export function foundAnew(turn: Turn): void {
  const { view, now } = turn;
  const { list, ended, self } = view;
  if (ended.has(self) || !list.voters.every((id) => ended.has(id))) return;
  takeOver(turn, foundedBy(self));
  view.settleFrom = now + leaseMs;
}

function follow(turn: Turn, from: string, list: VoterList): void {
  const { view, now } = turn;
  if (!countsMore(view, list)) return;
  if (list.founder !== view.list.founder) {
    // Whoever holds a lease by the old list keeps it to its end.
    if (activeGrants(view, now).length > 0 || view.claim) return;
    const sayers = [...view.heard].filter(([, said]) => said.list.founder === list.founder && isFresh(said, now));
    // One member's word moves no group of three.
    if (!isSmall(view.list.voters) && sayers.length < 2) return;
    takeOver(turn, list);
    view.foreign = new Map();
    view.isReady = false;
    view.settleFrom = now + settleMs;
    return;
  }
  const sayers = list.voters.filter((id) => says(view, id, list, now));
  const needed = Math.max(majorityOf(list.voters.length), isSmall(view.list.voters) ? 1 : 2);
  if (isLastOther(view, from, now) || sayers.length >= needed) takeOver(turn, list);
  else if (now >= view.queryAt) {
    view.queryAt = now + queryMs;
    for (const id of list.voters) if (view.members.has(id)) send(turn, id, stateOf(view, now, true));
  }
}

/** Whether `from` is the other of two voters, or no third has been heard of for a day: nobody else can say how the list went on. */
function isLastOther(view: View, from: string, now: number): boolean {
  const { self, list, ended } = view;
  const isGone = (id: string) => ended.has(id) || isOut(view, id, now);
  return list.voters.includes(from) && list.voters.every((id) => id === from || id === self || isGone(id));
}

const isFresh = (said: Heard, now: number): boolean => now - said.atMs < freshMs;

const says = (view: View, id: string, list: VoterList, now: number): boolean => {
  const said = view.heard.get(id);
  return said !== undefined && isFresh(said, now) && isSameList(said.list, list);
};

/** The next list counts once a majority of this one has accepted it: each says so itself, or has it already. */
export function decide(turn: Turn): void {
  const { view, now } = turn;
  const voters = view.list.voters.filter((id) => !view.ended.has(id));
  const votes = voters.flatMap((id) => voteOf(view, id, now) ?? []);
  for (const { next, ballot } of votes) {
    const same = votes.filter((vote) => isSameList(vote.next, next));
    const isDecided = same.some((vote) => !vote.ballot);
    const counted = isDecided ? same : same.filter((vote) => compareBallots(vote.ballot, ballot) === 0);
    if (counted.length < majorityOf(voters.length)) continue;
    takeOver(turn, next);
    return;
  }
}

/** Without a ballot: it has the next list already. */
function voteOf(view: View, id: string, now: number): { next: VoterList; ballot?: Ballot } | undefined {
  const { list } = view;
  const said = id === view.self ? view : view.heard.get(id);
  if (!said || ("atMs" in said && !isFresh(said, now))) return undefined;
  if (isSameList(said.list, list)) {
    const { accepted } = said;
    const isVote = accepted && isSound(list, accepted.change);
    return isVote ? { next: changed(list, accepted.change), ballot: accepted.ballot } : undefined;
  }
  return said.list.founder === list.founder && said.list.number === list.number + 1 ? { next: said.list } : undefined;
}

/** Makes `list` this member's own, and tells everybody. */
export function takeOver(turn: Turn, list: VoterList): void {
  const { view, now } = turn;
  // What happened by lists that it missed it must hear from others, as after a restart.
  if (!isVoter(view) || list.number !== view.list.number + 1) view.isReady = false;
  view.list = list;
  view.promised = undefined;
  view.accepted = undefined;
  view.proposal = undefined;
  turn.effects.push({ kind: "listed", list });
  for (const id of view.members) if (isAlive(view, id)) send(turn, id, stateOf(view, now));
}
