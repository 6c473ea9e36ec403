// Accusations: a reason to look, not a proof. A member becomes suspect when this member's own probe of it has failed, and dead
// when its time is up after that, or when a majority says so; whoever answers this member is alive.
// Pure.
import { draw } from "../../system/random.ts";
import { spend } from "./allowance.ts";
import type { Accusers, Belief } from "./beliefs.ts";
import { type ChargeNews, isCharge, type News } from "./news.ts";
import { addNews, dropCharge } from "./rumours.ts";
import { confirmationsWanted, shortestMs, suspicionMs } from "./suspicion.ts";
import { believe, syncSoon, type Turn } from "./view.ts";

export const PROBE_MS = 1_000;
const DEAD_KNOCK_MS = 1_000;
const SUSPECT_KNOCKS = 8; // in the shortest time of a suspect, while the pauses do not grow

/** Whether this accusation of the incarnation that we know says anything new. */
export function isWorthHearing(known: Belief, news: News): boolean {
  if (!isCharge(news) || news.incarnation !== known.incarnation) return false;
  if (known.state === "dead" || known.state === "left") return false;
  const before = known.accusers.get(news.by)?.state;
  if (before === "dead" || before === news.state) return false;
  return news.state === "dead" || known.accusers.size < mostAccusers;
}

/** More say nothing new: two bring a suspicion down to its shortest. */
const mostAccusers = 8;

/** Another member accuses one: look, at a moment of our own in the first half of the time that a suspect has. */
export function charge(turn: Turn, news: ChargeNews): void {
  const { id, state, proof, by } = news;
  const known = turn.view.members.get(id)!;
  if (known.state === "left" || known.state === "dead") return;
  const accusers = new Map(known.accusers).set(by, { state, proof });
  const isOpen = known.state === "suspect" || known.lookAt !== undefined;
  const mayCause = isOpen || spendFor(turn, by);
  if (isMajority(turn, accusers)) {
    die(turn, id, accusers);
  } else if (known.state === "suspect") {
    const deadline = accusers.has(turn.view.self.id) ? deadlineOf(turn, known, accusers) : known.deadline;
    believe(turn, id, { ...known, accusers, deadline });
  } else if (isOpen || !mayCause) {
    believe(turn, id, { ...known, accusers });
  } else {
    const lookAt = turn.now + draw(turn.random) * Math.max(0, shortestMs(turn.view.size, PROBE_MS) / 2 - PROBE_MS);
    believe(turn, id, { ...known, accusers, accusedAt: turn.now, lookAt });
  }
  if (mayCause && isWanted(turn, accusers, by, state)) turn.view.rumours = addNews(turn.view.rumours, news);
}

function spendFor(turn: Turn, by: string): boolean {
  const accuser = turn.view.members.get(by)!;
  const allowance = spend(accuser.allowance, turn.now);
  if (allowance) believe(turn, by, { ...accuser, allowance });
  return allowance !== undefined;
}

/** Whether the others need to hear this accuser too: as many as end a suspicion, and one that may be hostile. */
function isWanted({ view }: Turn, accusers: Accusers, by: string, state: "suspect" | "dead"): boolean {
  let others = 0;
  for (const [id, said] of accusers) if (id !== by && (said.state === "dead" || state === "suspect")) others++;
  return others < confirmationsWanted(view.size) + 2;
}

/** Only those count whom we take for present: else one hostile member were the majority of a small partition. */
function isMajority({ view }: Turn, accusers: Accusers): boolean {
  let voters = 0;
  for (const [by, { state }] of accusers) {
    const voter = view.members.get(by)?.state;
    if (state === "dead" && (by === view.self.id || voter === "alive" || voter === "suspect")) voters++;
  }
  return voters > view.size / 2;
}

/** A member did not answer our own probe, neither us nor our helpers. */
export function accuse(turn: Turn, id: string): void {
  const known = turn.view.members.get(id);
  if (known?.state !== "alive") return;
  const accusers = withOwn(turn, id, known, "suspect");
  const { lookAt, accusedAt = turn.now, ...rest } = known;
  const since = turn.now;
  const open = { since, accusedAt: lookAt === undefined ? since : accusedAt };
  const everyMs = shortestMs(turn.view.size, PROBE_MS) / SUSPECT_KNOCKS;
  const deadline = deadlineOf(turn, open, accusers);
  const knock = { at: since + everyMs, everyMs };
  believe(turn, id, { ...rest, ...open, accusers, state: "suspect", deadline, knock });
  turn.effects.push({ kind: "changed", id, state: "suspect" });
}

/** All members that noticed at once end together; whoever noticed late still gives the accused half of the shortest time. */
function deadlineOf({ view }: Turn, open: { since: number; accusedAt: number }, accusers: Accusers): number {
  const ends = open.accusedAt + suspicionMs(view.size, accusers.size - 1, PROBE_MS);
  return Math.max(ends, open.since + shortestMs(view.size, PROBE_MS) / 2);
}

function withOwn(turn: Turn, id: string, known: Belief, state: "suspect" | "dead"): Accusers {
  const { view, proofs } = turn;
  const { incarnation, signature } = known;
  const by = view.self.id;
  const proof = proofs.sign({ id, incarnation, state, by });
  const accusers = new Map(known.accusers).set(by, { state, proof });
  const isTold = isWanted(turn, accusers, by, state);
  if (isTold) view.rumours = addNews(view.rumours, { id, incarnation, signature, state, by, proof });
  return accusers;
}

/** A suspect's time is up. If it was never heard of, it is dead to us alone: we have nothing signed to tell. */
export function bury(turn: Turn, id: string): void {
  const known = turn.view.members.get(id);
  if (known?.state !== "suspect") return;
  const hasOwn = known.accusers.has(turn.view.self.id);
  if (hasOwn) die(turn, id, withOwn(turn, id, known, "dead"));
  else {
    believe(turn, id, { ...withoutCase(known), state: "dead", since: turn.now, knock: known.knock });
    turn.effects.push({ kind: "changed", id, state: "dead" });
  }
}

function die(turn: Turn, id: string, accusers: Accusers): void {
  const known = turn.view.members.get(id)!;
  const knock = { at: turn.now + DEAD_KNOCK_MS, everyMs: DEAD_KNOCK_MS };
  believe(turn, id, { ...withoutCase(known), accusers, state: "dead", since: turn.now, knock });
  turn.effects.push({ kind: "changed", id, state: "dead" });
}

/** `id` answered us: whatever others say, it is alive. Their words are remembered, so that none makes us look twice. */
export function acquit(turn: Turn, id: string): void {
  const known = turn.view.members.get(id);
  if (!known || known.incarnation === 0 || known.state === "left") return;
  if (known.state === "alive") {
    if (known.hearsay > 0 || known.accusedAt !== undefined || known.lookAt !== undefined)
      believe(turn, id, { ...withoutCase(known), state: "alive", hearsay: 0 });
    return;
  }
  const accusers = new Map(known.accusers);
  accusers.delete(turn.view.self.id);
  believe(turn, id, { ...withoutCase(known), state: "alive", since: turn.now, accusers, hearsay: 0 });
  turn.view.rumours = dropCharge(turn.view.rumours, id, turn.view.self.id);
  turn.effects.push({ kind: "changed", id, state: "alive" });
  if (known.state === "dead") syncSoon(turn);
}

/** What is known of a member apart from its state. */
function withoutCase(known: Belief) {
  const { incarnation, signature, since, accusers, hearsay, rttMs, allowance } = known;
  const more = { ...(rttMs !== undefined && { rttMs }), ...(allowance && { allowance }) };
  return { incarnation, signature, since, accusers, hearsay, ...more };
}
