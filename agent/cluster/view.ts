// What this member believes about the others, and the turn in which that changes.
// Pure: a Turn is a private copy that never leaves step().

import { draw, type Random } from "../../system/random.ts";
import { type Belief, Beliefs, isReachable } from "./beliefs.ts";
import type { Freight, Message, Summary } from "./messages.ts";
import type { ChargeNews, ClaimNews, News, Proofs, State } from "./news.ts";
import { addNews, load, type Rumours } from "./rumours.ts";

const SYNC_PAUSE_MS = 1_000;

/** A probe from ping to result. */
export type Probe = {
  target: string;
  sequence: number;
  sentAt: number;
  /** When to ping again, and how often from then on: a lost datagram is no lost member. */
  pingAt: number;
  everyMs: number;
  askAt: number;
  endsAt: number;
  /** Members that were asked to try, and those that reported in time that they could or could not reach it. */
  helpers: readonly string[];
  acks: readonly string[];
  nacks: readonly string[];
  /** How often the helpers were asked. */
  asked: number;
};
/** A probe on behalf of another member. */
export type Errand = { asker: string; asked: number; target: string; sequence: number; pingAt: number; nackAt: number };

export type View = {
  readonly self: { id: string; incarnation: number; state: "alive" | "left"; signature: string; since: number };
  readonly members: Beliefs;
  readonly round: readonly string[];
  readonly probes: readonly Probe[];
  readonly probeAt: number;
  readonly errands: readonly Errand[];
  readonly rumours: Rumours;
  readonly gossipAt: number;
  readonly syncAt: number;
  readonly syncedAt: number;
  readonly health: number;
  readonly sequence: number;
  readonly seed: number;
  /** Members not known to be gone, this one included, as of the last step. */
  readonly size: number;
  /** No suspect is buried and no member visited before this. */
  readonly visitAt: number;
  /** No member is looked at before this, beside the probe of each second. */
  readonly lookAt: number;
  /** When the next tick is due. A step much later than this means that this process slept, not that the others are silent. */
  readonly dueAt: number;
};

export type Effect =
  | { kind: "send"; to: string; message: Message }
  | { kind: "sync"; with: string }
  | { kind: "documents"; from: string; documents: Summary[] }
  | { kind: "changed"; id: string; state: State }
  | { kind: "forgotten"; id: string }
  | { kind: "forged"; id: string; from: string };

export type Turn = {
  view: { -readonly [Key in keyof View]: View[Key] };
  random: Random;
  effects: Effect[];
  readonly now: number;
  readonly proofs: Proofs;
};

export function emptyView(id: string, seed: number, now: number, proofs: Proofs): View {
  const signature = proofs.sign({ id, incarnation: 1, state: "alive" });
  return {
    self: { id, incarnation: 1, state: "alive", signature, since: now },
    members: Beliefs.of([]),
    round: [],
    probes: [],
    probeAt: now,
    errands: [],
    rumours: [],
    gossipAt: now,
    syncAt: now,
    syncedAt: Number.NEGATIVE_INFINITY,
    health: 0,
    sequence: 0,
    seed,
    size: 1,
    visitAt: now,
    lookAt: now,
    dueAt: Number.POSITIVE_INFINITY,
  };
}

/** From now on this member believes `belief` about `id`. */
export function believe({ view }: Turn, id: string, belief: Belief): void {
  view.members = view.members.with(id, belief);
}

export function reachable({ members }: Pick<View, "members">): string[] {
  const ids: string[] = [];
  for (const [id, member] of members) if (isReachable(member)) ids.push(id);
  return ids;
}

export const ownNews = ({ self }: Pick<View, "self">): ClaimNews => ({
  id: self.id,
  incarnation: self.incarnation,
  state: self.state,
  signature: self.signature,
});

/** What this member can tell about `id`; undefined while it knows nothing signed. */
export function newsOf(view: Pick<View, "members" | "self">, id: string): News | undefined {
  const member = view.members.get(id);
  if (!member || member.incarnation === 0) return undefined;
  const { incarnation, signature, state } = member;
  if (state === "left") return { id, incarnation, signature, state };
  const claim: ClaimNews = { id, incarnation, signature, state: "alive" };
  return state === "alive" ? claim : (chargeAgainst(view, id) ?? claim);
}

/** An accusation of `id`: our own if we made one, else the newest that we heard. */
export function chargeAgainst(view: Pick<View, "members" | "self">, id: string): ChargeNews | undefined {
  const member = view.members.get(id);
  if (!member || member.incarnation === 0 || member.accusers.size === 0) return undefined;
  const { incarnation, signature, accusers } = member;
  const own = accusers.get(view.self.id);
  if (own) return { id, incarnation, signature, ...own, by: view.self.id };
  const all = [...accusers];
  const [by, charge] = all.findLast(([, { state }]) => state === "dead") ?? all.at(-1)!;
  return { id, incarnation, signature, ...charge, by };
}

/** Everything that this member can tell, for a full sync. */
export const allNews = (view: View): News[] => [
  ownNews(view),
  ...[...view.members].flatMap(([id]) => newsOf(view, id) ?? []),
];

type Bare<M> = M extends unknown ? Omit<M, keyof Freight> : never;

/** What rides on a message: whatever we have to tell, only what concerns its receiver, or nothing. */
export type Riders = "all" | "own" | "none";

/**
 * Sends a message. A member that is accused hears that first, with our own claim: it can refute at once (Lifeguard's buddy
 * system), and one that lost its memory learns who we are. Rumours go to members that we expect to answer: told to a silent one
 * they would count as told, and a thousand silent ones would fill the line.
 */
export function send(
  turn: Turn,
  to: string,
  message: Bare<Message>,
  { introduce = false, riders = "all" }: { introduce?: boolean; riders?: Riders } = {},
): void {
  const { view } = turn;
  const first = riders === "none" ? [] : concerning(view, to, introduce);
  const [freight, rumours] =
    riders === "all" ? load(view.rumours, first, view.size) : [{ news: first, documents: [] }, view.rumours];
  view.rumours = rumours;
  turn.effects.push({ kind: "send", to, message: { ...message, ...freight } });
}

function concerning(view: Pick<View, "members" | "self">, to: string, introduce: boolean): News[] {
  const member = view.members.get(to);
  if (!introduce && member?.state === "alive" && member.accusers.size === 0) return [];
  const about = chargeAgainst(view, to) ?? newsOf(view, to);
  return about ? [ownNews(view), about] : [ownNews(view)];
}

/** Signs our own claim in a new incarnation and spreads it. */
export function proclaim(turn: Turn, incarnation: number, state: "alive" | "left"): void {
  const { view } = turn;
  const { id } = view.self;
  const signature = turn.proofs.sign({ id, incarnation, state });
  const since = state === view.self.state ? view.self.since : turn.now;
  view.self = { id, incarnation, state, signature, since };
  view.rumours = addNews(view.rumours, ownNews(view));
}

/** A member speaks for the first time, or after it was dead: time for a full sync, at most once a second. */
export function syncSoon({ view, now }: Turn): void {
  view.syncAt = Math.min(view.syncAt, Math.max(now, view.syncedAt + SYNC_PAUSE_MS));
}

/** `ms` plus or minus a fifth, so that members do not act in step. */
export const jittered = (turn: Turn, ms: number): number => ms * (0.8 + 0.4 * draw(turn.random));
