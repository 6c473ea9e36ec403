// Leases: one step from an event to what this member knows afterwards and what is to be done.
// Pure.
import { sample } from "../../../system/random.ts";
import { hearAccept, hearPrepare, hearPromise, workOnList } from "./change.ts";
import { foundAnew, hearState } from "./follow.ts";
import { ask, claimDueAt, giveBackAll, hearAnswer, release, workOnClaim } from "./holder.ts";
import { foundedBy } from "./list.ts";
import type { LeaseMessage } from "./messages.ts";
import { settle, unheard } from "./settle.ts";
import { noteSilence } from "./silence.ts";
import {
  activeGrants,
  type Effect,
  type Event,
  isAlive,
  isVoter,
  type Kept,
  keptOf,
  send,
  type Turn,
  type View,
} from "./state.ts";
import { hourMs, leaseMs, settleMs } from "./terms.ts";
import { hearAsk, hearFree, noteLiveness, silent, stateOf } from "./voter.ts";

const workMs = 5_000;
const announceMs = 30_000;
const announceTo = 3;
const mostQuestions = 8;
/** Own messages to oneself lead to few others; more would be a fault. */
const mostOwn = 100;

/** `kept`: what is on disk; undefined for a device that has never been in a neighborhood. */
export function begin(self: string, kept: Kept | undefined, seed: number, now: number): View {
  const { list = foundedBy(self), promised, accepted, grants = [], held, silentHours = {} } = kept ?? {};
  const silent = Object.entries(silentHours);
  return {
    ...{ self, list, promised, accepted, held },
    grants: grants.map((grant) => ({ ...grant, sinceMs: now, untilMs: now + leaseMs })),
    ...{ freed: new Map(), startedMs: now, settleFrom: now + settleMs, isReady: false },
    ...{
      members: new Set(),
      liveness: new Map(),
      ended: new Set(),
      heard: new Map(),
      silence: new Map(),
      heardBefore: new Map(silent.map(([id, hours]) => [id, now - hours * hourMs])),
      silentHours: new Map(silent),
      silenceAt: now + hourMs,
      foreign: new Map(),
      ahead: new Map(),
    },
    ...{ isDone: false, freeing: [], seed, announceAt: now, queryAt: now, workAt: now, changeAt: now, dueAt: now },
  };
}

export function step(before: View, event: Event, now: number): [View, Effect[]] {
  const turn: Turn = { view: { ...before }, now, random: { seed: before.seed }, effects: [], own: [] };
  take(turn, event);
  for (let done = 0; turn.own.length > 0 && done < mostOwn; done++) hear(turn, before.self, turn.own.shift()!);
  const { view } = turn;
  view.seed = turn.random.seed;
  view.dueAt = Math.min(view.workAt, claimDueAt(view), view.proposal?.sendAt ?? Number.POSITIVE_INFINITY);
  return [view, isKept(before, view) ? turn.effects : [{ kind: "save", kept: keptOf(view) }, ...turn.effects]];
}

/** Whether what is on disk is still right. A renewal changes times alone, which are not on it. */
function isKept(before: View, view: View): boolean {
  const keys = ["list", "promised", "accepted", "grants", "held", "silentHours"] as const;
  return (
    keys.every((key) => view[key] === before[key]) || JSON.stringify(keptOf(view)) === JSON.stringify(keptOf(before))
  );
}

function take(turn: Turn, event: Event): void {
  const { view } = turn;
  switch (event.kind) {
    case "heard":
      if (view.members.has(event.from)) hear(turn, event.from, event.message);
      break;
    case "members":
      view.members = new Set(event.ids.filter((id) => id !== view.self));
      view.freed = only(view.freed, new Set([...view.members, view.self]));
      view.liveness = only(view.liveness, view.members);
      view.heard = only(view.heard, view.members);
      view.silence = only(view.silence, view.members);
      view.foreign = only(view.foreign, view.members);
      view.ahead = only(view.ahead, view.members);
      break;
    case "liveness":
      noteLiveness(turn, event.states);
      break;
    case "ended":
      view.ended = new Set(event.ids);
      // Its proposals are heard no more.
      if (view.promised && view.ended.has(view.promised[1])) view.promised = undefined;
      foundAnew(turn);
      break;
    case "ask":
      ask(turn, event.claim, event.most);
      break;
    case "release":
      release(turn, event.claim);
      break;
    case "giveBack":
      giveBackAll(turn);
      break;
    case "tick":
      tick(turn);
      break;
  }
}

function hear(turn: Turn, from: string, message: LeaseMessage): void {
  switch (message.type) {
    case "state":
      if (from !== turn.view.self) hearState(turn, from, message);
      hearPromise(turn, from, message);
      settle(turn);
      break;
    case "ask":
      hearAsk(turn, from, message);
      break;
    case "grant":
      hearAnswer(turn, from, message.claim, message.round, { kind: "yes", away: message.away });
      break;
    case "deny": {
      const { type: _, claim, round, ...reason } = message;
      hearAnswer(turn, from, claim, round, { kind: "no", ...reason });
      break;
    }
    case "free":
      hearFree(turn, from, message.claim);
      break;
    case "prepare":
      hearPrepare(turn, from, message);
      break;
    case "accept":
      hearAccept(turn, from, message);
      break;
  }
}

function tick(turn: Turn): void {
  const { view, now } = turn;
  workOnClaim(turn);
  if (view.proposal) workOnList(turn);
  if (now < view.workAt) return;
  view.workAt = now + workMs;
  view.grants = activeGrants(view, now);
  noteSilence(turn);
  settle(turn);
  const isSettling = !view.isReady && isVoter(view) && now >= view.settleFrom;
  const asked = [...silent(view, now).slice(0, mostQuestions), ...(isSettling ? unheard(view, now) : [])];
  for (const id of new Set(asked)) if (view.members.has(id)) send(turn, id, stateOf(view, now, true));
  workOnList(turn);
  if (now < view.announceAt) return;
  view.announceAt = now + announceMs;
  const alive = [...view.members].filter((id) => isAlive(view, id));
  for (const id of sample(turn.random, alive, announceTo)) send(turn, id, stateOf(view, now));
}

const only = <T>(map: ReadonlyMap<string, T>, ids: ReadonlySet<string>): Map<string, T> =>
  new Map([...map].filter(([id]) => ids.has(id)));
