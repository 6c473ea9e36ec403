// What is due with single members: a look at the accused, a knock at the silent, a burial; and probes for other members.
// Pure.
import { bury } from "./accuse.ts";
import type { Belief, Knock } from "./beliefs.ts";
import { firstKnock } from "./hear.ts";
import { MORE_MS, nextSequence, startProbe } from "./probe.ts";
import { believe, type Errand, jittered, send, type Turn, type View } from "./view.ts";

const LAST_KNOCK_MS = 60_000;
const GREETINGS_AT_ONCE = 8;
const VISIT_MS = 50;
const LOOK_MS = 112; // nine a second: with the probe of each second, ten
const NACK_MS = 400; // a helper answers before the asker's second half is over: half a second less the way back
const MOST_ERRANDS = 256;
const MOST_ERRANDS_EACH = 16;

export const knockOf = (member: Belief): Knock | undefined => ("knock" in member ? member.knock : undefined);

/** Buries suspects whose time is up, greets newcomers, and looks at whoever has waited longest of the others. */
export function visit(turn: Turn): void {
  const { view, now } = turn;
  view.visitAt = now + VISIT_MS;
  let greetings = 0;
  for (const [id, member] of view.members.urgent(now)) {
    if (member.state === "suspect" && now >= member.deadline) bury(turn, id);
    else if (greetings++ < GREETINGS_AT_ONCE) knockAt(turn, id);
  }
  if (now < view.lookAt) return;
  const next = view.members.nextCall(now);
  if (!next) return;
  view.lookAt = now + LOOK_MS;
  const [id, member] = next;
  if (member.state === "alive") look(turn, id, member);
  else knockAt(turn, id);
}

/** When the next visit is due. */
export const visitDueAt = ({ members, visitAt, lookAt }: View): number =>
  Math.max(visitAt, Math.min(members.urgentAt, Math.max(members.callAt, lookAt)));

function look(turn: Turn, id: string, member: Belief & { state: "alive" }): void {
  believe(turn, id, { ...member, lookAt: Number.POSITIVE_INFINITY });
  if (!turn.view.probes.some(({ target }) => target === id)) startProbe(turn, id, "own");
}

/** A ping without a deadline: a member that hears it answers when it can. */
function knockAt(turn: Turn, id: string): void {
  send(turn, id, { type: "ping", sequence: nextSequence(turn) }, { riders: "own" });
  const member = turn.view.members.get(id);
  const knock = member && knockOf(member);
  if (!member || !knock) return;
  const everyMs = Math.min(LAST_KNOCK_MS, knock.everyMs * 2);
  const next = { at: turn.now + jittered(turn, knock.everyMs), everyMs };
  believe(turn, id, { ...member, knock: next } as Belief);
}

/** A member that we took for dead has just spoken: answer soon, at most four times a second. */
export function hasten(turn: Turn, id: string): void {
  const member = turn.view.members.get(id);
  const knock = member && knockOf(member);
  const { at, everyMs } = firstKnock(turn.now);
  if (member && knock && knock.at > at + everyMs)
    believe(turn, id, { ...member, knock: { at: at + everyMs, everyMs } } as Belief);
}

export function runErrand(turn: Turn, asker: string, asked: number, target: string): void {
  const { errands, members } = turn.view;
  // Asked once more: we are at it.
  if (errands.some((errand) => errand.asker === asker && errand.asked === asked)) return;
  const own = errands.filter((errand) => errand.asker === asker).length;
  if (!members.has(target) || errands.length >= MOST_ERRANDS || own >= MOST_ERRANDS_EACH) return;
  const sequence = nextSequence(turn);
  const times = { pingAt: turn.now + MORE_MS, nackAt: turn.now + NACK_MS };
  const errand: Errand = { asker, asked, target, sequence, ...times };
  turn.view.errands = [...errands, errand];
  send(turn, target, { type: "ping", sequence }, { riders: "own" });
}

/** Pings again for whoever asked, and says so if nobody answered in time. */
export function followErrands(turn: Turn): void {
  const { view, now } = turn;
  if (!view.errands.some((errand) => now >= errandDueAt(errand))) return;
  const over = view.errands.filter(({ nackAt }) => now >= nackAt);
  const silent = view.errands.filter(({ pingAt, nackAt }) => now >= pingAt && now < nackAt);
  view.errands = view.errands
    .filter(({ nackAt }) => now < nackAt)
    .map((errand) => (now >= errand.pingAt ? { ...errand, pingAt: now + MORE_MS } : errand));
  for (const { target, sequence } of silent) send(turn, target, { type: "ping", sequence }, { riders: "none" });
  for (const { asker, asked } of over) send(turn, asker, { type: "nack", sequence: asked }, { riders: "own" });
}

export const errandDueAt = ({ pingAt, nackAt }: Errand): number => Math.min(pingAt, nackAt);
