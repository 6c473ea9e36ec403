// What this member believes about the others, and the turn in which that changes.
// Pure: a Turn is a private copy that never leaves step().

import { draw, type Random } from "../../system/random.ts";
import type { Freight, Message, Summary } from "./messages.ts";
import { claimOf, type News, type Proofs, type State } from "./news.ts";
import { addNews, load, type Rumours } from "./rumours.ts";

/** Pings to a member that does not answer: ever more rarely, but for ever. */
export type Knock = { at: number; everyMs: number };

type Known = { incarnation: number; signature: string; since: number; rttMs?: number };
/** Incarnation 0: nothing signed was heard of this member yet. It is suspect at first, and dead if it stays silent. */
export type Belief = Known &
  (
    | { state: "alive" }
    | { state: "suspect"; accusers: readonly string[]; deadline: number; knock?: Knock }
    | { state: "dead"; by: string; knock: Knock }
    | { state: "left" }
  );

/** The one member being probed, from ping to result. */
export type Probe = {
  target: string;
  sequence: number;
  sentAt: number;
  askAt: number;
  endsAt: number;
  /** Members that were asked to try, and those that reported in time that they could not reach it. */
  helpers: readonly string[];
  nacks: readonly string[];
  hasAsked: boolean;
};
/** A probe on behalf of another member. */
export type Errand = { asker: string; asked: number; target: string; sequence: number; nackAt: number };

export type View = {
  readonly self: { id: string; incarnation: number; state: "alive" | "left"; signature: string; since: number };
  readonly members: ReadonlyMap<string, Belief>;
  readonly round: readonly string[];
  readonly probe: Probe | undefined;
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
  /** Earliest deadline or knock of any member. */
  readonly memberAt: number;
  /** No suspect is buried and no member knocked at before this. */
  readonly visitAt: number;
  /** When the next tick is due. A step much later than this means that this process slept, not that the others are silent. */
  readonly dueAt: number;
};

export type Effect =
  | { kind: "send"; to: string; message: Message }
  | { kind: "sync"; with: string }
  | { kind: "documents"; from: string; documents: Summary[] }
  | { kind: "changed"; id: string; state: State }
  | { kind: "forged"; id: string; from: string };

export type Turn = {
  view: { -readonly [Key in keyof View]: View[Key] };
  members: Map<string, Belief> | undefined;
  random: Random;
  effects: Effect[];
  readonly now: number;
  readonly proofs: Proofs;
};

export function emptyView(id: string, seed: number, now: number, proofs: Proofs): View {
  const signature = proofs.sign({ id, incarnation: 1, state: "alive" });
  return {
    self: { id, incarnation: 1, state: "alive", signature, since: now },
    members: new Map(),
    round: [],
    probe: undefined,
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
    memberAt: Number.POSITIVE_INFINITY,
    visitAt: now,
    dueAt: Number.POSITIVE_INFINITY,
  };
}

/** The map of members, which this turn may change. */
export function writable(turn: Turn): Map<string, Belief> {
  if (!turn.members) {
    turn.members = new Map(turn.view.members);
    turn.view.members = turn.members;
  }
  return turn.members;
}

/** Members worth probing and telling: heard of, and not known to be gone. */
export const reachable = (view: Pick<View, "members">): string[] =>
  [...view.members]
    .filter(([, m]) => m.incarnation > 0 && (m.state === "alive" || m.state === "suspect"))
    .map(([id]) => id);

export const ownNews = ({ self }: Pick<View, "self">): News => ({
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
  if (state === "suspect") return { id, incarnation, signature, state, by: member.accusers[0] ?? view.self.id };
  if (state === "dead") return { id, incarnation, signature, state, by: member.by };
  return { id, incarnation, signature, state };
}

/** Everything that this member can tell, for a full sync. */
export const allNews = (view: View): News[] => [
  ownNews(view),
  ...[...view.members.keys()].flatMap((id) => newsOf(view, id) ?? []),
];

type Bare<M> = M extends unknown ? Omit<M, keyof Freight> : never;

/**
 * Sends a message with as many rumours as fit. A member that we do not take for alive hears that first, with our own claim:
 * it can refute at once, and one that lost its memory learns who we are.
 */
export function send(turn: Turn, to: string, message: Bare<Message>, { introduce = false } = {}): void {
  const first: News[] = [];
  const isDoubted = turn.view.members.get(to)?.state !== "alive";
  if (isDoubted || introduce) first.push(ownNews(turn.view));
  const about = newsOf(turn.view, to);
  if (about && (isDoubted || introduce)) first.push(about);
  const [freight, rumours] = load(turn.view.rumours, first, turn.view.size);
  turn.view.rumours = rumours;
  turn.effects.push({ kind: "send", to, message: { ...message, ...freight } });
}

/** Signs our own claim in a new incarnation and spreads it. */
export function proclaim(turn: Turn, incarnation: number, state: "alive" | "left"): void {
  const { id } = turn.view.self;
  const signature = turn.proofs.sign({ id, incarnation, state });
  turn.view.self = {
    id,
    incarnation,
    state,
    signature,
    since: state === turn.view.self.state ? turn.view.self.since : turn.now,
  };
  turn.view.rumours = addNews(turn.view.rumours, ownNews(turn.view));
}

export const verifies = (turn: Turn, news: News): boolean => turn.proofs.verify(claimOf(news), news.signature);

/** `ms` plus or minus a fifth, so that members do not act in step. */
export const jittered = (turn: Turn, ms: number): number => ms * (0.8 + 0.4 * draw(turn.random));
