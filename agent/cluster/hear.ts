// How a piece of news changes a view: it counts if it outranks what is known and its subject signed it.
// Pure.
import { type News, outranks } from "./news.ts";
import { addNews, forget } from "./rumours.ts";
import { confirmationsWanted, healthAfter, suspicionMs } from "./suspicion.ts";
import { type Belief, jittered, type Knock, proclaim, type Turn, verifies, writable } from "./view.ts";

export const PROBE_MS = 1_000;
const FIRST_KNOCK_MS = 250; // a newcomer's tunnel comes up any moment
const DEAD_KNOCK_MS = 1_000;
const LAST_KNOCK_MS = 60_000;
const SYNC_PAUSE_MS = 1_000;
const PATIENCE_MS = 10_000; // for a member that was never heard: time for two WireGuard handshakes, the second after 5 s

/** Returns whether the sender should hear our own claim at once. */
export function hear(turn: Turn, from: string, news: News): boolean {
  if (news.id === turn.view.self.id) return hearOfSelf(turn, from, news);
  const known = turn.view.members.get(news.id);
  if (!known) return false;
  if (!outranks(news, known)) {
    if (news.state === "suspect") confirm(turn, news.id, news.incarnation, news.by);
    return from === news.id && outranks(known, news);
  }
  const isNewClaim = news.incarnation !== known.incarnation || news.state === "left";
  if (isNewClaim && !verifies(turn, news)) {
    turn.effects.push({ kind: "forged", id: news.id, from });
    return false;
  }
  believe(turn, isNewClaim ? news : { ...news, signature: known.signature }, from);
  return false;
}

/** No other member may declare us gone: our higher incarnation outranks the rumour, and our former life, everywhere. */
function hearOfSelf(turn: Turn, from: string, news: News): boolean {
  const { self } = turn.view;
  if (self.state === "left" || !outranks(news, self)) return false;
  if (!verifies(turn, news)) {
    turn.effects.push({ kind: "forged", id: news.id, from });
    return false;
  }
  if (news.state === "suspect" || news.state === "dead") turn.view.health = healthAfter(turn.view.health, 1);
  proclaim(turn, news.incarnation + 1, "alive");
  return true;
}

/** Each further accuser shortens the suspect's time. */
function confirm(turn: Turn, id: string, incarnation: number, by: string): void {
  const known = turn.view.members.get(id);
  if (known?.state !== "suspect" || known.incarnation !== incarnation || known.accusers.includes(by)) return;
  if (by !== turn.view.self.id && !turn.view.members.has(by)) return;
  const size = turn.view.size;
  if (known.accusers.length > confirmationsWanted(size)) return;
  const accusers = [...known.accusers, by];
  const deadline = known.since + suspicionMs(size, accusers.length - 1, PROBE_MS);
  writable(turn).set(id, { ...known, accusers, deadline });
  const { signature } = known;
  turn.view.rumours = addNews(turn.view.rumours, { id, incarnation, state: "suspect", signature, by });
}

function believe(turn: Turn, news: News, from: string): void {
  const before = turn.view.members.get(news.id)!;
  const isSame = before.state === news.state && before.incarnation > 0;
  const { incarnation, signature, id } = news;
  const base = {
    incarnation,
    signature,
    since: isSame ? before.since : turn.now,
    ...(before.rttMs === undefined ? {} : { rttMs: before.rttMs }),
  };
  writable(turn).set(id, after(turn, base, news));
  turn.view.rumours = addNews(turn.view.rumours, news);
  if (!isSame) turn.effects.push({ kind: "changed", id, state: news.state });
  // A member speaks for the first time, or after it was dead: time for a full sync, at most once a second.
  const wasAway = before.incarnation === 0 || before.state === "dead" || before.state === "left";
  if (wasAway && news.state === "alive" && from === id) {
    turn.view.syncAt = Math.min(turn.view.syncAt, Math.max(turn.now, turn.view.syncedAt + SYNC_PAUSE_MS));
  }
}

function after(turn: Turn, base: Pick<Belief, "incarnation" | "signature" | "since" | "rttMs">, news: News): Belief {
  switch (news.state) {
    case "alive":
    case "left":
      return { ...base, state: news.state };
    case "suspect": {
      const deadline = turn.now + suspicionMs(turn.view.size, 0, PROBE_MS);
      return { ...base, since: turn.now, state: "suspect", accusers: [news.by], deadline };
    }
    case "dead":
      return { ...base, state: "dead", by: news.by, knock: { at: turn.now + DEAD_KNOCK_MS, everyMs: DEAD_KNOCK_MS } };
  }
}

/** A member did not answer us: it becomes suspect, or we join its accusers. */
export function accuse(turn: Turn, id: string): void {
  const known = turn.view.members.get(id);
  const by = turn.view.self.id;
  if (known?.state === "suspect") confirm(turn, id, known.incarnation, by);
  if (known?.state !== "alive") return;
  const { incarnation, signature } = known;
  believe(turn, { id, incarnation, signature, state: "suspect", by }, by);
}

/** A suspect's time is up. If it was never heard of, it is dead to us alone: we have nothing signed to tell. */
export function bury(turn: Turn, id: string): void {
  const known = turn.view.members.get(id);
  if (known?.state !== "suspect") return;
  const { incarnation, signature, knock } = known;
  const by = turn.view.self.id;
  if (incarnation > 0) {
    believe(turn, { id, incarnation, signature, state: "dead", by }, by);
    return;
  }
  const since = turn.now;
  writable(turn).set(id, { incarnation, signature, since, state: "dead", by, knock: knock ?? firstKnock(turn) });
  turn.effects.push({ kind: "changed", id, state: "dead" });
}

const firstKnock = (turn: Turn): Knock => ({ at: turn.now, everyMs: FIRST_KNOCK_MS });

/** The set of members changed: knock at newcomers, forget those that left the set. */
export function enroll(turn: Turn, ids: readonly string[]): void {
  const wanted = new Set(ids);
  wanted.delete(turn.view.self.id);
  for (const id of turn.view.members.keys()) {
    if (wanted.has(id)) continue;
    writable(turn).delete(id);
    turn.view.rumours = forget(turn.view.rumours, id);
    turn.view.errands = turn.view.errands.filter((errand) => errand.asker !== id && errand.target !== id);
    if (turn.view.probe?.target === id) turn.view.probe = undefined;
  }
  for (const id of wanted) {
    if (turn.view.members.has(id)) continue;
    const deadline = turn.now + PATIENCE_MS;
    const stranger = { incarnation: 0, signature: "", since: turn.now, accusers: [turn.view.self.id], deadline };
    writable(turn).set(id, { ...stranger, state: "suspect", knock: firstKnock(turn) });
    turn.effects.push({ kind: "changed", id, state: "suspect" });
  }
}

export const knockOf = (member: Belief): Knock | undefined => ("knock" in member ? member.knock : undefined);

export function rescheduleKnock(turn: Turn, id: string): void {
  const member = turn.view.members.get(id);
  const knock = member && knockOf(member);
  if (!member || !knock) return;
  const next = { at: turn.now + jittered(turn, knock.everyMs), everyMs: Math.min(LAST_KNOCK_MS, knock.everyMs * 2) };
  writable(turn).set(id, { ...member, knock: next } as Belief);
}

/** A member that we took for dead has just spoken: answer soon, at most four times a second. */
export function hasten(turn: Turn, id: string): void {
  const member = turn.view.members.get(id);
  const knock = member && knockOf(member);
  const at = turn.now + FIRST_KNOCK_MS;
  if (member && knock && knock.at > at)
    writable(turn).set(id, { ...member, knock: { at, everyMs: FIRST_KNOCK_MS } } as Belief);
}
