// How a piece of news changes a view. A claim counts if it is newer and its subject signed it; what an accuser says goes to
// accuse.ts, once both have signed.
// Pure.
import { charge, isWorthHearing } from "./accuse.ts";
import { spend } from "./allowance.ts";
import { type Belief, Beliefs, type Knock, nobody } from "./beliefs.ts";
import { type ChargeNews, type ClaimNews, claimOf, isCharge, type News } from "./news.ts";
import { addNews, forget } from "./rumours.ts";
import { healthAfter } from "./suspicion.ts";
import { believe, proclaim, syncSoon, type Turn } from "./view.ts";

const FIRST_KNOCK_MS = 250; // a newcomer's tunnel comes up any moment
const PATIENCE_MS = 10_000; // for a member that was never heard: time for two WireGuard handshakes, the second after 5 s

/** What follows for the sender: a forger is not heard further; who knows too little is told our own claim at once. */
export type Heard = "forged" | "introduce" | "nothing";

export function hear(turn: Turn, from: string, news: News): Heard {
  const { view } = turn;
  if (news.id === view.self.id) return hearOfSelf(turn, from, news);
  const known = view.members.get(news.id);
  if (!known) return "nothing";
  const isNewClaim = news.incarnation > known.incarnation || isFarewell(known, news);
  if (!isNewClaim && !isWorthHearing(known, news)) {
    const isBehind = news.incarnation < known.incarnation || known.state !== "alive";
    return from === news.id && isBehind ? "introduce" : "nothing";
  }
  if (isCharge(news) && !mayAccuse(turn, news)) return "nothing";
  if (isNewClaim && !turn.proofs.verify(claimOf(news), news.signature)) return forged(turn, from, news);
  if (isCharge(news) && !turn.proofs.verify(news, news.proof)) return forged(turn, from, news);
  if (isNewClaim) adopt(turn, from, news);
  if (isCharge(news)) charge(turn, news);
  return "nothing";
}

const isFarewell = (known: Belief, news: News): boolean =>
  news.state === "left" && known.state !== "left" && news.incarnation === known.incarnation;

const mayAccuse = ({ view }: Turn, { id, by }: ChargeNews): boolean => by !== id && view.members.has(by);

function forged(turn: Turn, from: string, { id }: News): Heard {
  turn.effects.push({ kind: "forged", id, from });
  return "forged";
}

/** No other member may declare us gone: our higher incarnation outranks the rumour, and our former life, everywhere. */
function hearOfSelf(turn: Turn, from: string, news: News): Heard {
  const { incarnation, state } = turn.view.self;
  if (state === "left") return "nothing";
  if (news.incarnation > incarnation) return outlive(turn, from, news);
  // The sender itself holds an older claim than our newest.
  const isBehind = news.state === "left" || (isCharge(news) && news.by === from);
  if (news.incarnation < incarnation) return isBehind ? "introduce" : "nothing";
  if (isCharge(news)) return refute(turn, from, news);
  return news.state === "left" ? outlive(turn, from, news) : "nothing";
}

/** A claim of our former life. */
function outlive(turn: Turn, from: string, news: News): Heard {
  if (!turn.proofs.verify(claimOf(news), news.signature)) return forged(turn, from, news);
  proclaim(turn, news.incarnation + 1, "alive");
  return "introduce";
}

function refute(turn: Turn, from: string, news: ChargeNews): Heard {
  const accuser = turn.view.members.get(news.by);
  const allowance = accuser && spend(accuser.allowance, turn.now);
  if (!allowance) return "nothing";
  if (!turn.proofs.verify(news, news.proof)) return forged(turn, from, news);
  believe(turn, news.by, { ...accuser, allowance });
  turn.view.health = healthAfter(turn.view.health, 1);
  proclaim(turn, news.incarnation + 1, "alive");
  return "introduce";
}

/** Holds the subject's newest claim. Whoever accused the one before may accuse again. */
function adopt(turn: Turn, from: string, news: News): void {
  const { id, incarnation, signature } = news;
  const before = turn.view.members.get(id)!;
  // An accuser may tell of a member that this one never reached: that is no reason to take it for alive.
  if (before.incarnation === 0 && isCharge(news)) {
    believe(turn, id, { ...before, incarnation, signature });
    return;
  }
  const claim: ClaimNews = { ...claimOf(news), signature };
  const { state } = claim;
  const isSame = before.state === state && before.incarnation > 0;
  const { rttMs, allowance } = before;
  const kept = { ...(rttMs !== undefined && { rttMs }), ...(allowance && { allowance }) };
  const since = isSame ? before.since : turn.now;
  believe(turn, id, { ...kept, incarnation, signature, state, since, accusers: nobody, hearsay: 0 });
  if (!isSame) turn.effects.push({ kind: "changed", id, state });
  if (isCharge(news)) return;
  passOn(turn, claim, id);
  const wasAway = before.incarnation === 0 || before.state === "dead" || before.state === "left";
  if (wasAway && state === "alive" && from === id) syncSoon(turn);
}

/** Tells the others, unless `speaker` has caused too much of that. */
function passOn(turn: Turn, news: News, speaker: string): void {
  const member = turn.view.members.get(speaker)!;
  const allowance = spend(member.allowance, turn.now);
  if (!allowance) {
    turn.view.rumours = forget(turn.view.rumours, news.id);
    return;
  }
  believe(turn, speaker, { ...member, allowance });
  turn.view.rumours = addNews(turn.view.rumours, news);
}

export const firstKnock = (now: number): Knock => ({ at: now, everyMs: FIRST_KNOCK_MS });

/** The set of members changed: knock at newcomers, forget those that left the set. */
export function enroll(turn: Turn, ids: readonly string[]): void {
  const wanted = new Set(ids);
  wanted.delete(turn.view.self.id);
  for (const [id] of turn.view.members) {
    if (wanted.has(id)) continue;
    turn.view.members = turn.view.members.without(id);
    turn.view.rumours = forget(turn.view.rumours, id);
    turn.view.errands = turn.view.errands.filter((errand) => errand.asker !== id && errand.target !== id);
    turn.view.probes = turn.view.probes.filter(({ target }) => target !== id);
    turn.effects.push({ kind: "forgotten", id });
  }
  const newcomers = [...wanted].filter((id) => !turn.view.members.has(id));
  if (newcomers.length === 0) return;
  const stranger: Belief = {
    ...{ state: "suspect", incarnation: 0, signature: "", since: turn.now, accusers: nobody, hearsay: 0 },
    ...{ accusedAt: turn.now, deadline: turn.now + PATIENCE_MS, knock: firstKnock(turn.now) },
  };
  const strangers = newcomers.map((id) => [id, stranger] as const);
  turn.view.members = Beliefs.of([...turn.view.members, ...strangers]);
  for (const id of newcomers) turn.effects.push({ kind: "changed", id, state: "suspect" });
}
