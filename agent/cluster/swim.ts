// Which members are alive, and how sure we are: SWIM with Lifeguard's corrections.
// Pure: messages and time come in as events, datagrams and changes go out as effects.

import { enroll, hear } from "./hear.ts";
import type { Freight, Message, Summary } from "./messages.ts";
import { isCharge, type Proofs } from "./news.ts";
import { followProbes, hearAck, hearNack, probeDueAt, startTurn } from "./probe.ts";
import { addDocument } from "./rumours.ts";
import { healthAfter } from "./suspicion.ts";
import { believe, type Effect, emptyView, jittered, proclaim, send, type Turn, type View } from "./view.ts";
import { errandDueAt, followErrands, hasten, runErrand, visit, visitDueAt } from "./visit.ts";

export type Event =
  | { kind: "tick" }
  | { kind: "heard"; from: string; message: Message }
  | { kind: "synced"; from: string; freight: Freight }
  | { kind: "publish"; document: Summary }
  | { kind: "members"; ids: readonly string[] }
  | { kind: "leave" };

const GOSSIP_MS = 200;
const GOSSIP_TO = 3;
const SYNC_MS = 30_000;
const SYNC_SCALE = 32; // beyond this many members each doubling adds one interval between full syncs (memberlist)
const STALL_MS = 250; // a busy processor, not the network, delayed a step that is this late

/** The view of a member that knows no other. `seed` is the only source of chance. */
export function begin(id: string, seed: number, now: number, proofs: Proofs): View {
  return emptyView(id, seed, now, proofs);
}

export function step(view: View, event: Event, now: number, proofs: Proofs): [View, Effect[]] {
  const turn: Turn = { view: { ...view }, random: { seed: view.seed }, effects: [], now, proofs };
  excuse(turn, now - view.dueAt);
  take(turn, event);
  turn.view.size = 1 + turn.view.members.present;
  turn.view.seed = turn.random.seed;
  // Never in the past: a tick that just became due is not late.
  turn.view.dueAt = Math.max(now, dueAt(turn.view));
  return [turn.view, turn.effects];
}

function take(turn: Turn, event: Event): void {
  switch (event.kind) {
    case "tick":
      tick(turn);
      break;
    case "heard":
      if (turn.view.members.has(event.from)) heard(turn, event.from, event.message);
      break;
    case "synced":
      if (turn.view.members.has(event.from)) synced(turn, event.from, event.freight);
      break;
    case "publish":
      turn.view.rumours = addDocument(turn.view.rumours, event.document);
      break;
    case "members":
      enroll(turn, event.ids);
      break;
    case "leave":
      leave(turn);
      break;
  }
}

function heard(turn: Turn, from: string, message: Message): void {
  const introduce = carry(turn, from, message);
  switch (message.type) {
    case "ping":
      // Answer an introduction by an introduction: a member that names itself may know no other.
      answer(turn, from, message.sequence, introduce || message.news.some((news) => news.id === from));
      return;
    case "ack":
      hearAck(turn, from, message.sequence);
      break;
    case "nack":
      hearNack(turn, from, message.sequence);
      break;
    case "ask":
      runErrand(turn, from, message.sequence, message.target);
      break;
    case "gossip":
      break;
  }
  if (introduce) send(turn, from, { type: "gossip" }, { introduce: true });
}

function synced(turn: Turn, from: string, freight: Freight): void {
  if (carry(turn, from, freight)) send(turn, from, { type: "gossip" }, { introduce: true });
}

function answer(turn: Turn, from: string, sequence: number, introduce: boolean): void {
  send(turn, from, { type: "ack", sequence }, { introduce });
  hasten(turn, from);
}

/**
 * Takes in what rides on a message, up to its first forgery; returns whether the sender should hear our own claim at once. Of
 * several statements of one member about another the first counts: else one message cost as many signatures as it has room.
 */
function carry(turn: Turn, from: string, { news, documents }: Freight): boolean {
  let introduce = false;
  const heard = new Set<string>();
  for (const item of news) {
    const name = isCharge(item) ? `${item.id} ${item.by}` : item.id;
    if (heard.has(name)) continue;
    heard.add(name);
    const outcome = hear(turn, from, item);
    if (outcome === "forged") return introduce;
    if (outcome === "introduce") introduce = true;
  }
  if (documents.length > 0) turn.effects.push({ kind: "documents", from, documents });
  return introduce;
}

function tick(turn: Turn): void {
  const { view, now } = turn;
  if (view.self.state === "alive") watch(turn);
  followErrands(turn);
  if (now >= view.gossipAt && view.rumours.length > 0) gossip(turn);
  if (now >= view.syncAt) {
    view.syncAt = now + jittered(turn, SYNC_MS) * Math.max(1, 1 + Math.ceil(Math.log2(view.size / SYNC_SCALE)));
    const [partner] = view.members.sample(turn.random, 1);
    if (partner === undefined) return;
    view.syncedAt = now;
    turn.effects.push({ kind: "sync", with: partner });
  }
}

function watch(turn: Turn): void {
  const { view, now } = turn;
  followProbes(turn);
  if (now >= view.probeAt) startTurn(turn);
  if (now >= visitDueAt(view)) visit(turn);
}

function gossip(turn: Turn): void {
  turn.view.gossipAt = turn.now + GOSSIP_MS;
  for (const id of turn.view.members.sample(turn.random, GOSSIP_TO)) {
    if (turn.view.rumours.length > 0) send(turn, id, { type: "gossip" });
  }
}

/** Tells a few members at once: there may be no second tick. */
function leave(turn: Turn): void {
  if (turn.view.self.state === "left") return;
  proclaim(turn, turn.view.self.incarnation, "left");
  turn.view.probes = [];
  gossip(turn);
}

/** After a stall of our own, moves every deadline by as much: answers may lie unread in the socket. */
function excuse(turn: Turn, lateMs: number): void {
  if (lateMs < STALL_MS) return;
  const { view } = turn;
  view.health = healthAfter(view.health, 1);
  view.probeAt += lateMs;
  view.probes = view.probes.map((probe) => ({
    ...probe,
    pingAt: probe.pingAt + lateMs,
    askAt: probe.askAt + lateMs,
    endsAt: probe.endsAt + lateMs,
  }));
  view.errands = view.errands.map((errand) => ({
    ...errand,
    pingAt: errand.pingAt + lateMs,
    nackAt: errand.nackAt + lateMs,
  }));
  for (const [id, member] of view.members) {
    if (member.state === "suspect") {
      const { since, accusedAt, deadline } = member;
      const moved = { since: since + lateMs, accusedAt: accusedAt + lateMs, deadline: deadline + lateMs };
      believe(turn, id, { ...member, ...moved });
    } else if (member.state === "alive" && member.lookAt !== undefined) {
      const { accusedAt = turn.now, lookAt } = member;
      believe(turn, id, { ...member, accusedAt: accusedAt + lateMs, lookAt: lookAt + lateMs });
    }
  }
}

/** When the next tick is due: never, for a member that is alone. */
function dueAt(view: View): number {
  if (view.members.size === 0) return Number.POSITIVE_INFINITY;
  let at = view.syncAt;
  if (view.self.state === "alive") at = Math.min(at, view.probeAt, visitDueAt(view));
  if (view.self.state === "alive") for (const probe of view.probes) at = Math.min(at, probeDueAt(probe));
  if (view.rumours.length > 0) at = Math.min(at, view.gossipAt);
  for (const errand of view.errands) at = Math.min(at, errandDueAt(errand));
  return at;
}
