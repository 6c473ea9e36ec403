// Pings a member. If it is silent, pings again and asks three others to try; if they fail too, accuses it.
// An accusation that is wrong costs a neighborhood of N members N probes and N copies of it and of its refutation: where a
// quarter of all datagrams is lost, a few small pings more are far cheaper.
// Pure.

import { shuffled } from "../../system/random.ts";
import { accuse, acquit, PROBE_MS } from "./accuse.ts";
import { type Belief, isReachable } from "./beliefs.ts";
import { healthAfter } from "./suspicion.ts";
import { believe, type Probe, type Riders, reachable, send, type Turn } from "./view.ts";

const TIMEOUT_MS = 500;
const AGAIN_MS = 250;
/** After the first pause, times our patience: nine pings, all of which fail once in 1,700 times at 25 % loss both ways. */
export const MORE_MS = 100;
/** Helpers that are silent so long are asked once more, in time for their answer: a question or an answer was lost. */
const ASK_AGAIN_MS = 200;
const HELPERS = 3;
const MOST_ASKED = 2;
/** After this many probes that only helpers say were answered, the member itself must refute: a helper may lie. */
const MOST_HEARSAY = 3;

/** Probes each member once a round, in a new order each round: no member waits longer than two rounds. */
export function startTurn(turn: Turn): void {
  const { view, now } = turn;
  view.probeAt = now + PROBE_MS * (view.health + 1);
  const isWorthIt = (id: string) => {
    const member = view.members.get(id);
    return member !== undefined && isReachable(member) && !view.probes.some(({ target }) => target === id);
  };
  let at = view.round.findIndex(isWorthIt);
  if (at === -1) {
    view.round = shuffled(turn.random, reachable(view));
    at = view.round.findIndex(isWorthIt);
  }
  const target = view.round[at];
  view.round = view.round.slice(at + 1);
  if (target !== undefined) startProbe(turn, target);
}

export function startProbe(turn: Turn, target: string, riders: Riders = "all"): void {
  const { view, now } = turn;
  const patience = view.health + 1;
  const sequence = nextSequence(turn);
  const times = {
    sentAt: now,
    pingAt: now + AGAIN_MS,
    everyMs: MORE_MS * patience,
    askAt: now + TIMEOUT_MS * patience,
    endsAt: now + PROBE_MS * patience,
  };
  view.probes = [...view.probes, { target, sequence, ...times, helpers: [], acks: [], nacks: [], asked: 0 }];
  send(turn, target, { type: "ping", sequence }, { riders });
}

/** Whatever is due of the probes under way. */
export function followProbes(turn: Turn): void {
  const { now } = turn;
  for (const probe of turn.view.probes) {
    if (now < probeDueAt(probe)) continue;
    if (now >= probe.endsAt) {
      endProbe(turn, probe);
      continue;
    }
    const next = { ...probe };
    if (now >= probe.pingAt) {
      next.pingAt = now + probe.everyMs;
      send(turn, probe.target, { type: "ping", sequence: probe.sequence }, { riders: "none" });
    }
    if (now >= probe.askAt) {
      next.asked++;
      next.askAt = next.asked < MOST_ASKED ? now + ASK_AGAIN_MS : Number.POSITIVE_INFINITY;
      next.helpers = probe.asked === 0 ? helpersOf(turn, probe.target) : probe.helpers;
      askAll(turn, next);
    }
    replace(turn, probe, next);
  }
}

export const probeDueAt = ({ pingAt, askAt, endsAt }: Probe): number => Math.min(pingAt, endsAt, askAt);

function replace(turn: Turn, probe: Probe, ...by: Probe[]): void {
  turn.view.probes = turn.view.probes.flatMap((one) => (one.sequence === probe.sequence ? by : [one]));
}

function helpersOf({ view, random }: Turn, target: string): string[] {
  const some = view.members.sample(random, 4 * HELPERS);
  return some.filter((id) => id !== target && view.members.get(id)?.state === "alive").slice(0, HELPERS);
}

function askAll(turn: Turn, { target, sequence, helpers, acks, nacks }: Probe): void {
  for (const helper of helpers) {
    if (acks.includes(helper) || nacks.includes(helper)) continue;
    send(turn, helper, { type: "ask", sequence, target }, { riders: "own" });
  }
}

/** Helpers that could not reach it either confirm us; helpers that stay silent suggest that the fault is ours. */
function endProbe(turn: Turn, probe: Probe): void {
  const { target, helpers, acks, nacks } = probe;
  replace(turn, probe);
  const known = turn.view.members.get(target);
  if (known && acks.length > nacks.length && known.hearsay < MOST_HEARSAY) {
    const { lookAt: _, accusedAt: __, ...rest } = known as Belief & { state: "alive" };
    const next = known.state === "alive" ? rest : known;
    believe(turn, target, { ...next, hearsay: known.hearsay + 1 });
    return;
  }
  const silent = helpers.length - acks.length - nacks.length;
  turn.view.health = healthAfter(turn.view.health, helpers.length === 0 ? 1 : silent);
  accuse(turn, target);
}

export function hearAck(turn: Turn, from: string, sequence: number): void {
  // It answers something that we sent: the way is open in both directions.
  acquit(turn, from);
  const probe = turn.view.probes.find((one) => one.sequence === sequence);
  if (probe?.target === from) {
    replace(turn, probe);
    turn.view.health = healthAfter(turn.view.health, -1);
    if (probe.asked === 0) noteRtt(turn, from, turn.now - probe.sentAt);
  } else if (probe) {
    hearHelper(turn, probe, from, "acks");
  } else {
    passAck(turn, from, sequence);
  }
}

export function hearNack(turn: Turn, from: string, sequence: number): void {
  acquit(turn, from);
  const probe = turn.view.probes.find((one) => one.sequence === sequence);
  if (probe) hearHelper(turn, probe, from, "nacks");
}

/** A helper's first answer counts. */
function hearHelper(turn: Turn, probe: Probe, from: string, kind: "acks" | "nacks"): void {
  if (!probe.helpers.includes(from) || probe.acks.includes(from) || probe.nacks.includes(from)) return;
  replace(turn, probe, { ...probe, [kind]: [...probe[kind], from] });
}

/** Smoothed like TCP's (RFC 6298: an eighth of each new sample). An answer to the second ping would pass for a slow first one. */
function noteRtt(turn: Turn, id: string, sampleMs: number): void {
  const member = turn.view.members.get(id);
  if (!member || (sampleMs >= AGAIN_MS && (member.rttMs ?? AGAIN_MS) < AGAIN_MS)) return;
  const rttMs = member.rttMs === undefined ? sampleMs : member.rttMs + (sampleMs - member.rttMs) / 8;
  believe(turn, id, { ...member, rttMs });
}

/** We probed on behalf of another member. */
function passAck(turn: Turn, from: string, sequence: number): void {
  const errand = turn.view.errands.find((known) => known.sequence === sequence && known.target === from);
  if (!errand) return;
  turn.view.errands = turn.view.errands.filter((known) => known !== errand);
  send(turn, errand.asker, { type: "ack", sequence: errand.asked }, { riders: "own" });
}

export function nextSequence(turn: Turn): number {
  turn.view.sequence = (turn.view.sequence + 1) >>> 0;
  return turn.view.sequence;
}
