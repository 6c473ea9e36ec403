// Pings one member a second. If it is silent, asks three others to try; if they fail too, accuses it.
// Pure.

import { sample, shuffled } from "../../system/random.ts";
import { accuse, hasten, PROBE_MS } from "./hear.ts";
import { healthAfter } from "./suspicion.ts";
import { type Errand, type Probe, reachable, send, type Turn, writable } from "./view.ts";

const TIMEOUT_MS = 500;
const HELPERS = 3;
const NACK_MS = 400; // a helper answers before the asker's second half is over: TIMEOUT_MS less the way back
const MOST_ERRANDS = 64;

/** Probes each member once a round, in a new order each round: no member waits longer than two rounds. */
export function startProbe(turn: Turn): void {
  const { view, now } = turn;
  const patience = view.health + 1;
  view.probeAt = now + PROBE_MS * patience;
  let [target, ...rest] = view.round.filter((id) => isWorthIt(turn, id));
  if (target === undefined) [target, ...rest] = shuffled(turn.random, reachable(view));
  view.round = rest;
  if (target === undefined) return;
  const sequence = nextSequence(turn);
  const times = { sentAt: now, askAt: now + TIMEOUT_MS * patience, endsAt: now + PROBE_MS * patience };
  view.probe = { target, sequence, ...times, helpers: [], nacks: [], hasAsked: false };
  send(turn, target, { type: "ping", sequence });
}

function isWorthIt(turn: Turn, id: string): boolean {
  const member = turn.view.members.get(id);
  return member !== undefined && member.incarnation > 0 && (member.state === "alive" || member.state === "suspect");
}

export function askOthers(turn: Turn, probe: Probe): void {
  const { target, sequence } = probe;
  const able = reachable(turn.view).filter((id) => id !== target && turn.view.members.get(id)?.state === "alive");
  const helpers = sample(turn.random, able, HELPERS);
  turn.view.probe = { ...probe, hasAsked: true, helpers };
  for (const helper of helpers) send(turn, helper, { type: "ask", sequence, target });
}

/** Helpers that could not reach it either confirm us; helpers that stay silent suggest that the fault is ours. */
export function failProbe(turn: Turn, probe: Probe): void {
  turn.view.probe = undefined;
  const silent = probe.helpers.length - probe.nacks.length;
  turn.view.health = healthAfter(turn.view.health, probe.helpers.length === 0 ? 1 : silent);
  accuse(turn, probe.target);
}

export function hearAck(turn: Turn, from: string, sequence: number): void {
  const { probe, errands } = turn.view;
  if (probe?.sequence === sequence && (probe.target === from || probe.helpers.includes(from))) {
    turn.view.probe = undefined;
    turn.view.health = healthAfter(turn.view.health, -1);
    if (probe.target === from && !probe.hasAsked) noteRtt(turn, from, turn.now - probe.sentAt);
    return;
  }
  const errand = errands.find((known) => known.sequence === sequence && known.target === from);
  if (!errand) return;
  turn.view.errands = errands.filter((known) => known !== errand);
  send(turn, errand.asker, { type: "ack", sequence: errand.asked });
}

/** Smoothed like TCP's (RFC 6298: an eighth of each new sample). */
function noteRtt(turn: Turn, id: string, sampleMs: number): void {
  const member = turn.view.members.get(id);
  if (!member) return;
  const rttMs = member.rttMs === undefined ? sampleMs : member.rttMs + (sampleMs - member.rttMs) / 8;
  writable(turn).set(id, { ...member, rttMs });
}

export function hearNack(turn: Turn, from: string, sequence: number): void {
  const { probe } = turn.view;
  if (probe?.sequence !== sequence || !probe.helpers.includes(from) || probe.nacks.includes(from)) return;
  turn.view.probe = { ...probe, nacks: [...probe.nacks, from] };
}

export function runErrand(turn: Turn, asker: string, asked: number, target: string): void {
  if (!turn.view.members.has(target) || turn.view.errands.length >= MOST_ERRANDS) return;
  const sequence = nextSequence(turn);
  const errand: Errand = { asker, asked, target, sequence, nackAt: turn.now + NACK_MS };
  turn.view.errands = [...turn.view.errands, errand];
  send(turn, target, { type: "ping", sequence });
}

export function endErrands(turn: Turn): void {
  const over = turn.view.errands.filter((errand) => errand.nackAt <= turn.now);
  if (over.length === 0) return;
  turn.view.errands = turn.view.errands.filter((errand) => errand.nackAt > turn.now);
  for (const { asker, asked } of over) send(turn, asker, { type: "nack", sequence: asked });
}

/** A ping without a deadline: a member that hears it answers when it can. */
export function knockAt(turn: Turn, id: string): void {
  send(turn, id, { type: "ping", sequence: nextSequence(turn) });
}

export function answerPing(turn: Turn, from: string, sequence: number, introduce: boolean): void {
  send(turn, from, { type: "ack", sequence }, { introduce });
  hasten(turn, from);
}

export function nextSequence(turn: Turn): number {
  turn.view.sequence = (turn.view.sequence + 1) >>> 0;
  return turn.view.sequence;
}
