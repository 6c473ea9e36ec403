// What one member believes about the cluster, and the step in which that changes.
// Pure: a Turn is a private copy that never leaves step().
import type { Freight, Message, Summary } from "./messages.ts";
import { claimOf, type News, type Proofs, type State } from "./news.ts";
import { draw, type Random } from "./random.ts";
import { addNews, load, type Rumours } from "./rumours.ts";

/** A message tried now and then at someone who does not answer: at a falling rate, for ever. */
export type Knock = { at: number; everyMs: number };

type Known = { incarnation: number; signature: string; since: number; rttMs?: number };
/** Incarnation 0 is a member of whom nothing signed was heard yet: suspect at first, dead when it stays silent. */
export type Member = Known &
  (
    | { state: "alive" }
    | { state: "suspect"; accusers: readonly string[]; deadline: number; knock?: Knock }
    | { state: "dead"; by: string; knock: Knock }
    | { state: "left" }
  );

/** The one member being probed, from ping to verdict. */
export type Probe = {
  target: string;
  sequence: number;
  sentAt: number;
  askAt: number;
  endsAt: number;
  /** Members asked to try, and those of them that said in time that they could not reach it. */
  helpers: readonly string[];
  nacks: readonly string[];
  hasAsked: boolean;
};
/** A probe on behalf of another member. */
export type Errand = { asker: string; asked: number; target: string; sequence: number; nackAt: number };

export type View = {
  readonly self: { id: string; incarnation: number; state: "alive" | "left"; signature: string; since: number };
  readonly members: ReadonlyMap<string, Member>;
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
  /** Members that are not known to be gone, ourselves included; as of the last step. */
  readonly size: number;
  /** Earliest deadline or knock of any member. */
  readonly memberAt: number;
  /** Members are not gone through before this. */
  readonly visitAt: number;
  /** When the next tick is due; a step much later than this means that we, not the others, were asleep. */
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
  members: Map<string, Member> | undefined;
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

/** The members' map, free to be changed in this turn. */
export function writable(turn: Turn): Map<string, Member> {
  if (!turn.members) {
    turn.members = new Map(turn.view.members);
    turn.view.members = turn.members;
  }
  return turn.members;
}

/** Those worth probing and telling: heard of, and not known to be gone. */
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

/** What may be told about member `id`, undefined while nothing signed is known. */
export function newsOf(view: Pick<View, "members" | "self">, id: string): News | undefined {
  const member = view.members.get(id);
  if (!member || member.incarnation === 0) return undefined;
  const { incarnation, signature, state } = member;
  if (state === "suspect") return { id, incarnation, signature, state, by: member.accusers[0] ?? view.self.id };
  if (state === "dead") return { id, incarnation, signature, state, by: member.by };
  return { id, incarnation, signature, state };
}

/** Everything that may be told, for a full sync. */
export const allNews = (view: View): News[] => [
  ownNews(view),
  ...[...view.members.keys()].flatMap((id) => newsOf(view, id) ?? []),
];

type Bare<M> = M extends unknown ? Omit<M, keyof Freight> : never;

/**
 * Sends a message with as many rumours as fit. Whoever is not alive to us is told so first, with our own claim:
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

/** Our own word in a new incarnation. */
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

/** `ms` give or take a fifth, so that members do not march in step. */
export const jittered = (turn: Turn, ms: number): number => ms * (0.8 + 0.4 * draw(turn.random));
