// What is due with single members: a look at the accused, a knock at the silent, a burial; and probes for other members.
// Pure.
import { bury } from "./accuse.ts";
import { firstKnock } from "./hear.ts";
import { nextSequence, startProbe } from "./probe.ts";
import { type Belief, type Errand, jittered, type Knock, send, type Turn, writable } from "./view.ts";

const LAST_KNOCK_MS = 60_000;
const GREETINGS_AT_ONCE = 8;
const VISIT_MS = 50;
const LOOK_MS = 112; // nine a second: with the probe of each second, ten
const NACK_MS = 400; // a helper answers before the asker's second half is over: half a second less the way back
const MOST_ERRANDS = 256;
const MOST_ERRANDS_EACH = 32;

export const knockOf = (member: Belief): Knock | undefined => ("knock" in member ? member.knock : undefined);

/** When something is due with this member. */
export function memberDueAt(member: Belief): number {
  if (member.state === "suspect") return Math.min(member.deadline, member.knock.at);
  if (member.state === "dead") return member.knock.at;
  return (member.state === "alive" && member.lookAt) || Number.POSITIVE_INFINITY;
}

/** Buries suspects whose time is up, greets newcomers, and looks at whoever has waited longest of the others. */
export function visit(turn: Turn): void {
  const { view, now } = turn;
  view.visitAt = now + VISIT_MS;
  let greetings = 0;
  let [next, nextAt] = ["", Number.POSITIVE_INFINITY];
  for (const [id, member] of view.members) {
    if (now < memberDueAt(member)) continue;
    if (member.state === "suspect" && now >= member.deadline) bury(turn, id);
    const at = knockOf(member)?.at ?? memberDueAt(member);
    if (now < at) continue;
    const isStranger = member.incarnation === 0 && member.state === "suspect";
    if (isStranger && greetings++ < GREETINGS_AT_ONCE) knockAt(turn, id);
    else if (!isStranger && at < nextAt) [next, nextAt] = [id, at];
  }
  if (next === "" || now < view.lookAt) return;
  view.lookAt = now + LOOK_MS;
  const member = view.members.get(next)!;
  if (member.state === "alive") look(turn, next, member);
  else knockAt(turn, next);
}

function look(turn: Turn, id: string, member: Belief & { state: "alive" }): void {
  writable(turn).set(id, { ...member, lookAt: Number.POSITIVE_INFINITY });
  if (!turn.view.probes.some(({ target }) => target === id)) startProbe(turn, id);
}

/** A ping without a deadline: a member that hears it answers when it can. */
function knockAt(turn: Turn, id: string): void {
  send(turn, id, { type: "ping", sequence: nextSequence(turn) });
  const member = turn.view.members.get(id);
  const knock = member && knockOf(member);
  if (!member || !knock) return;
  const everyMs = Math.min(LAST_KNOCK_MS, knock.everyMs * 2);
  const next = { at: turn.now + jittered(turn, knock.everyMs), everyMs };
  writable(turn).set(id, { ...member, knock: next } as Belief);
}

/** A member that we took for dead has just spoken: answer soon, at most four times a second. */
export function hasten(turn: Turn, id: string): void {
  const member = turn.view.members.get(id);
  const knock = member && knockOf(member);
  const { at, everyMs } = firstKnock(turn.now);
  if (member && knock && knock.at > at + everyMs)
    writable(turn).set(id, { ...member, knock: { at: at + everyMs, everyMs } } as Belief);
}

export function runErrand(turn: Turn, asker: string, asked: number, target: string): void {
  const { errands, members } = turn.view;
  const own = errands.filter((errand) => errand.asker === asker).length;
  if (!members.has(target) || errands.length >= MOST_ERRANDS || own >= MOST_ERRANDS_EACH) return;
  const sequence = nextSequence(turn);
  const errand: Errand = { asker, asked, target, sequence, nackAt: turn.now + NACK_MS };
  turn.view.errands = [...errands, errand];
  send(turn, target, { type: "ping", sequence });
}

export function endErrands(turn: Turn): void {
  const over = turn.view.errands.filter((errand) => errand.nackAt <= turn.now);
  if (over.length === 0) return;
  turn.view.errands = turn.view.errands.filter((errand) => errand.nackAt > turn.now);
  for (const { asker, asked } of over) send(turn, asker, { type: "nack", sequence: asked });
}
