// A member that asks for a lease, renews it while it holds it, and stops at its own deadline.
// Pure.
import { majorityOf } from "./list.ts";
import { type Answer, type Claim, type Denial, send, type Turn } from "./state.ts";
import { holderMs, leaseMs, renewMs, roundMs } from "./terms.ts";

const resendMs = 1_000;
/** A voter that hears none of these keeps its grant to the end. */
const farewells = 4;

export function ask(turn: Turn, id: string, most: number): void {
  const { view, now } = turn;
  if (view.claim) {
    const { id: before, untilMs } = view.claim;
    end(turn);
    turn.effects.push(
      untilMs === undefined ? { kind: "denied", claim: before, by: "held" } : { kind: "lost", claim: before },
    );
  }
  view.isDone = false;
  const { held, startedMs } = view;
  // Later the lease from before the restart has ended.
  const isResumed = held !== undefined && now - startedMs < leaseMs;
  const slot = isResumed ? held.slot : 0;
  view.claim = begin(view.list, now, { id, most, slot, round: 1, isResumed });
  pushClaim(turn);
}

const begin = (
  list: Claim["list"],
  now: number,
  what: Pick<Claim, "id" | "most" | "slot" | "round" | "untilMs" | "isResumed">,
): Claim => ({ ...what, sentAt: now, sendAt: now, list, answers: new Map() });

export function release(turn: Turn, id: string): void {
  if (turn.view.claim?.id === id) end(turn);
}

/**
 * Gives back what was granted of it, but for a lease from before a restart that too few have granted again: the voters that have would
 * give it to others, while this device is still away under it.
 */
function end(turn: Turn): void {
  const { isResumed, untilMs } = turn.view.claim!;
  if (isResumed && untilMs === undefined) turn.view.claim = undefined;
  else giveBack(turn);
}

function giveBack(turn: Turn): void {
  const { view, now } = turn;
  const claim = view.claim!;
  view.claim = undefined;
  view.held = undefined;
  view.freeing = [...view.freeing, { claim: claim.id, left: farewells, sendAt: now }].slice(-8);
  pushFarewells(turn);
}

/**
 * Whoever comes back from a restart has asked anew, maybe in vain and more than once: voters may hold each of those askings, and the one
 * from before. All of it ends here; what a voter tells of later ends then (`giveBackOlder`).
 */
export function giveBackAll(turn: Turn): void {
  const { view, now } = turn;
  const { claim, held, self } = view;
  if (claim && claim.untilMs === undefined) turn.effects.push({ kind: "denied", claim: claim.id, by: "noMajority" });
  const told = [view.grants, ...[...view.heard.values()].map(({ grants }) => grants)].flat();
  const own = told.flatMap((grant) => (grant.holder === self ? [grant.claim] : []));
  const claims = new Set([...own, ...(held ? [held.claim] : []), ...(claim ? [claim.id] : [])]);
  view.claim = undefined;
  view.held = undefined;
  view.isDone = true;
  view.grants = view.grants.filter(({ holder }) => holder !== self);
  view.freeing = [...view.freeing, ...[...claims].map((id) => ({ claim: id, left: farewells, sendAt: now }))].slice(-8);
  pushFarewells(turn);
}

export function hearAnswer(turn: Turn, from: string, id: string, round: number, answer: Answer): void {
  const { view, now } = turn;
  const { claim } = view;
  if (claim?.id !== id || claim.round !== round || !claim.list.voters.includes(from)) return;
  if (now - claim.sentAt > roundMs) return;
  view.claim = { ...claim, answers: new Map(claim.answers).set(from, answer) };
  judge(turn, view.claim);
}

function judge(turn: Turn, claim: Claim): void {
  const { view } = turn;
  const answers = [...claim.answers.values()];
  const yes = answers.filter((answer) => answer.kind === "yes");
  const needed = majorityOf(claim.list.voters.length);
  if (yes.length >= needed) {
    // From before the first voter counted: whatever lay between is lost to the holder alone.
    const untilMs = claim.sentAt + holderMs;
    view.claim = { ...claim, untilMs, sendAt: Number.POSITIVE_INFINITY };
    const away = [...new Set(yes.flatMap((answer) => answer.away))].sort();
    const { id, slot } = claim;
    if (claim.untilMs !== undefined) return;
    view.held = { slot, claim: id };
    turn.effects.push({ kind: "granted", claim: id, slot, untilMs, away });
  } else if (claim.untilMs === undefined && claim.list.voters.length - (answers.length - yes.length) < needed) {
    refuse(turn, claim);
  }
}

function refuse(turn: Turn, claim: Claim): void {
  const { view, now } = turn;
  const denials = [...claim.answers.values()].filter((answer) => answer.kind === "no");
  const held = denials.find(({ why }) => why === "held");
  if (held && claim.slot + 1 < claim.most) {
    const { id, most, slot, round, isResumed } = claim;
    view.claim = begin(view.list, now, { id, most, slot: slot + 1, round: round + 1, isResumed });
    pushClaim(turn);
    return;
  }
  end(turn);
  turn.effects.push({ kind: "denied", claim: claim.id, ...reasonOf(claim, now) });
}

function reasonOf({ answers, list }: Claim, now: number): Denial {
  if (answers.size < majorityOf(list.voters.length)) return { by: "noMajority" };
  const denials = [...answers.values()].filter((answer) => answer.kind === "no");
  const held = denials.find(({ why }) => why === "held");
  if (!held) {
    if (denials.length === 0) return { by: "noMajority" };
    // As soon as so many of them are ready as it takes.
    const lacking = majorityOf(list.voters.length) - (answers.size - denials.length);
    const waits = denials.flatMap(({ awaits, waitsMs }) => (waitsMs === undefined ? [] : [{ awaits, waitsMs }]));
    const last = waits.toSorted((a, b) => a.waitsMs - b.waitsMs)[lacking - 1];
    return { by: "settling", ...(last && { awaits: last.awaits, untilMs: now + last.waitsMs }) };
  }
  const { holder, leftMs } = held;
  return { by: "held", holder, ...(leftMs !== undefined && { untilMs: now + leftMs }) };
}

/** Asks whoever has not answered yet; renews what is held; ends what was not granted in time. */
export function workOnClaim(turn: Turn): void {
  pushFarewells(turn);
  const { view, now } = turn;
  const { claim } = view;
  if (!claim) return;
  if (claim.untilMs !== undefined && now >= claim.untilMs) {
    giveBack(turn);
    turn.effects.push({ kind: "lost", claim: claim.id });
  } else if (now - claim.sentAt <= roundMs) {
    if (now >= claim.sendAt) pushClaim(turn);
  } else if (claim.untilMs === undefined) {
    refuse(turn, claim);
  } else if (claim.sendAt !== Number.POSITIVE_INFINITY || now - claim.sentAt >= renewMs) {
    const { id, most, slot, round, untilMs, isResumed } = claim;
    view.claim = begin(view.list, now, { id, most, slot, round: round + 1, untilMs, isResumed });
    pushClaim(turn);
  }
}

function pushClaim(turn: Turn): void {
  const { view, now } = turn;
  const claim = { ...view.claim!, sendAt: now + resendMs };
  view.claim = claim;
  const { list, id, round, slot } = claim;
  // One who votes by another list says which; the next round goes by that.
  for (const voter of list.voters) {
    if (claim.answers.has(voter)) continue;
    const named = { founder: list.founder, number: list.number };
    send(turn, voter, { type: "ask", list: named, claim: id, round, slot });
  }
}

function pushFarewells(turn: Turn): void {
  const { view, now } = turn;
  for (const { claim, left, sendAt } of view.freeing) {
    if (now < sendAt) continue;
    for (const voter of view.list.voters) send(turn, voter, { type: "free", claim });
    view.freeing = view.freeing.flatMap((one) => {
      if (one.claim !== claim) return [one];
      return left > 1 ? [{ claim, left: left - 1, sendAt: now + resendMs * 2 ** (farewells - left) }] : [];
    });
  }
}

/** When something is due with the own claim. */
export function claimDueAt({ claim, freeing }: Turn["view"]): number {
  let at = Number.POSITIVE_INFINITY;
  for (const { sendAt } of freeing) at = Math.min(at, sendAt);
  if (!claim) return at;
  const { sentAt, sendAt, untilMs } = claim;
  at = Math.min(at, sendAt, sendAt === Number.POSITIVE_INFINITY ? sentAt + renewMs : sentAt + roundMs + 1);
  return Math.min(at, untilMs ?? at);
}
