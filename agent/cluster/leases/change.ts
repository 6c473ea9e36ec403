// How the list of voters changes: one name at a time, by a majority of the list before it (Paxos, once for each number).
// A voter accepts no other list while a lease lasts that it has granted, and grants none while a list that it accepted is undecided:
// two lists in a row share a voter in any two majorities, and no lease outlives two changes.
// Pure.
import { draw } from "../../../system/random.ts";
import { decide, takeOver } from "./follow.ts";
import { type Change, isSameList, isSound, majorityOf, mostVoters } from "./list.ts";
import type { LeaseMessage } from "./messages.ts";
import { isOut } from "./silence.ts";
import { activeGrants, isAlive, isVoter, type Proposal, send, type Turn, type View } from "./state.ts";
import { type Ballot, compareBallots, dayMs, settleMs, towards } from "./terms.ts";
import { stateOf } from "./voter.ts";

const resendMs = 1_000;
const patienceMs = 5_000;
/** Time for the attempt of another to end. */
const pauseMs = 10_000;

const countsAs = ({ list }: View, named: { founder: string; number: number }): boolean =>
  list.founder === named.founder && list.number === named.number;

const mayPropose = ({ list, ended }: View, from: string, ballot: Ballot): boolean =>
  ballot[1] === from && list.voters.includes(from) && !ended.has(from);

const mayVote = (view: View, now: number): boolean =>
  isVoter(view) && view.isReady && activeGrants(view, now).length === 0;

export function hearPrepare(turn: Turn, from: string, { list, ballot }: LeaseMessage & { type: "prepare" }): void {
  const { view, now } = turn;
  if (!mayPropose(view, from, ballot) || !countsAs(view, list) || !mayVote(view, now)) return;
  const reached = towards(view.promised, ballot);
  if (compareBallots(reached, view.promised) > 0) view.promised = reached;
  send(turn, from, stateOf(view, now));
}

export function hearAccept(turn: Turn, from: string, message: LeaseMessage & { type: "accept" }): void {
  const { view, now } = turn;
  const { list, ballot, change } = message;
  if (!mayPropose(view, from, ballot) || !countsAs(view, list) || !mayVote(view, now) || !isSound(view.list, change))
    return;
  const reached = towards(view.promised, ballot);
  if (compareBallots(reached, view.promised) >= 0) {
    view.promised = reached;
    if (reached === ballot) view.accepted = { ballot, change };
  }
  send(turn, from, stateOf(view, now));
  decide(turn);
}

/** Begins what is due, and goes on with what is under way. */
export function workOnList(turn: Turn): void {
  const { view, now } = turn;
  goOnAlone(turn);
  if (view.proposal && now >= view.proposal.endsAt) postpone(turn);
  if (view.proposal) {
    push(turn, view.proposal);
    return;
  }
  if (now < view.changeAt || !mayVote(view, now) || !isMajorityHere(view)) return;
  const change = view.accepted?.change ?? (isFirst(view) ? wanted(view, now) : undefined);
  if (!change || isLeaseKnown(view, now)) return;
  const told = view.list.voters.map((id) => view.heard.get(id)?.promised?.[0] ?? 0);
  const round = Math.max(view.promised?.[0] ?? 0, ...told) + 1;
  const proposal: Proposal = {
    ...{ ballot: towards(view.promised, [round, view.self]), phase: "preparing", change, promises: new Map() },
    ...{ sendAt: now, endsAt: now + patienceMs },
  };
  view.proposal = proposal;
  push(turn, proposal);
}

function postpone({ view, now, random }: Turn): void {
  view.proposal = undefined;
  view.changeAt = now + pauseMs * (1 + draw(random));
}

/** Else each attempt would be a promise to write down, and come to nothing. */
function isMajorityHere(view: View): boolean {
  const voters = view.list.voters.filter((id) => !view.ended.has(id));
  return voters.filter((id) => isAlive(view, id)).length >= majorityOf(voters.length);
}

/** Of the voters that are here the one with the lowest id proposes, so that no two disturb each other. */
const isFirst = (view: View): boolean =>
  view.list.voters.every((id) => id >= view.self || !isAlive(view, id) || view.ended.has(id));

const isLeaseKnown = (view: View, now: number): boolean =>
  [...view.heard.values()].some(
    ({ list, grants }) => list.founder === view.list.founder && grants.some(({ untilMs }) => untilMs > now),
  );

/** Who is gone for good goes first, then who has been away for a day; then newcomers come in. */
function wanted(view: View, now: number): Change | undefined {
  const { list, liveness, ended, heard, members } = view;
  const isGone = (id: string) => {
    // Another device is on its board now, or it was away for so long that it is forgotten.
    if (!members.has(id)) return isOut(view, id, now);
    const known = liveness.get(id);
    return known?.state === "left" || (known?.state === "dead" && now - known.sinceMs >= dayMs);
  };
  const gone = list.voters.find((id) => ended.has(id)) ?? list.voters.find((id) => id !== view.self && isGone(id));
  if (gone !== undefined && list.voters.length > 1) return { op: "remove", id: gone };
  if (list.voters.length >= mostVoters) return undefined;
  const newcomers = [...view.members].filter((id) => {
    const said = heard.get(id);
    return said && isSameList(said.list, list) && isAlive(view, id) && !ended.has(id) && !list.voters.includes(id);
  });
  const [id] = newcomers.sort();
  return id === undefined ? undefined : { op: "add", id };
}

function push(turn: Turn, proposal: Proposal): void {
  const { view, now } = turn;
  if (now < proposal.sendAt) return;
  view.proposal = { ...proposal, sendAt: now + resendMs };
  const { ballot, change } = proposal;
  const list = { founder: view.list.founder, number: view.list.number };
  for (const id of view.list.voters) {
    if (proposal.phase === "accepting") send(turn, id, { type: "accept", list, ballot, change });
    else send(turn, id, { type: "prepare", list, ballot });
  }
}

/** A voter's state answers `prepare`: once a majority has promised, what one of them accepted before goes first. */
export function hearPromise(turn: Turn, from: string, state: LeaseMessage & { type: "state" }): void {
  const { view, now } = turn;
  const { proposal, list } = view;
  if (proposal?.phase !== "preparing" || !isSameList(state.list, list)) return;
  if (!list.voters.includes(from) || view.ended.has(from)) return;
  // One that has promised more is in nobody's way: a majority of the others will do.
  if (compareBallots(state.promised, proposal.ballot) !== 0) return;
  const promises = new Map(proposal.promises).set(from, state.accepted);
  view.proposal = { ...proposal, promises };
  if (promises.size < majorityOf(list.voters.filter((id) => !view.ended.has(id)).length)) return;
  let change = proposal.change;
  let newest: (typeof state)["accepted"];
  for (const accepted of promises.values()) if (compareBallots(accepted?.ballot, newest?.ballot) > 0) newest = accepted;
  if (newest) change = newest.change;
  push(turn, { ...view.proposal, change, phase: "accepting", sendAt: now, endsAt: now + patienceMs });
}

/** Of two voters, one that has been alone for a day goes on alone. */
function goOnAlone(turn: Turn): void {
  const { view, now } = turn;
  const { voters, number } = view.list;
  const other = voters.find((id) => id !== view.self);
  if (voters.length !== 2 || !isVoter(view) || other === undefined || isAlive(view, other)) return;
  const goneSince = view.liveness.get(other)?.sinceMs ?? Number.NEGATIVE_INFINITY;
  const isOver = view.ended.has(other) || (isOut(view, other, now) && now - goneSince >= dayMs);
  if (!isOver || activeGrants(view, now).some(({ holder }) => holder === other)) return;
  takeOver(turn, { founder: view.self, number: number + 1, voters: [view.self] });
  view.settleFrom = Math.max(view.settleFrom, now + settleMs);
}
