// What this member knows of leases: as a voter, as the holder of one, and of the list of voters.
// Pure: messages and time come in as events, orders for leases.ts go out as effects. `now` counts on while the device sleeps.
import type { Random } from "../../../system/random.ts";
import type { State as Liveness } from "../news.ts";
import type { Change, VoterList } from "./list.ts";
import type { LeaseMessage } from "./messages.ts";
import type { Accepted, Ballot, Reason } from "./terms.ts";

/** `claim` names one asking, so that a late release ends no newer lease. */
export type Grant = {
  readonly slot: number;
  readonly holder: string;
  readonly claim: string;
  readonly sinceMs: number;
  readonly untilMs: number;
};

/** What a member said of itself, and when. */
export type Heard = {
  readonly atMs: number;
  readonly list: VoterList;
  readonly promised?: Ballot | undefined;
  readonly accepted?: Accepted | undefined;
  readonly grants: readonly Grant[];
};

export type Answer = { kind: "yes"; away: readonly string[] } | ({ kind: "no" } & Reason);
/** Own asking for a lease. */
export type Claim = {
  readonly id: string;
  readonly slot: number;
  /** How many may hold a lease at once. */
  readonly most: number;
  readonly round: number;
  readonly sentAt: number;
  readonly sendAt: number;
  readonly list: VoterList;
  readonly answers: ReadonlyMap<string, Answer>;
  /** Undefined while it is asked for the first time. */
  readonly untilMs?: number | undefined;
  /** It goes on with a lease from before a restart: who grants it has granted that one. */
  readonly isResumed: boolean;
};
export type Freeing = { readonly claim: string; readonly left: number; readonly sendAt: number };
/** An attempt to change the list. */
export type Proposal = {
  readonly ballot: Ballot;
  readonly phase: "preparing" | "accepting";
  readonly change: Change;
  readonly promises: ReadonlyMap<string, Accepted | undefined>;
  readonly sendAt: number;
  readonly endsAt: number;
};

/** What outlives a restart. Ends do not: a grant that is read back lasts a whole lease more. */
export type Kept = {
  readonly list: VoterList;
  readonly promised?: Ballot | undefined;
  readonly accepted?: Accepted | undefined;
  readonly grants: readonly Pick<Grant, "slot" | "holder" | "claim">[];
  readonly held?: Held | undefined;
  /** For how many whole hours others had said nothing. */
  readonly silentHours?: Readonly<Record<string, number>> | undefined;
};
/** The lease that this member holds itself. */
export type Held = Pick<Grant, "slot" | "claim">;

export type View = {
  readonly self: string;
  readonly list: VoterList;
  /** For the list that follows this one. */
  readonly promised?: Ballot | undefined;
  readonly accepted?: Accepted | undefined;
  /** As a voter. */
  readonly grants: readonly Grant[];
  /** Claims that each member has given back: an asking that was under way then comes too late. */
  readonly freed: ReadonlyMap<string, readonly string[]>;
  readonly startedMs: number;
  /** Since when what others say shows what this voter may have forgotten. */
  readonly settleFrom: number;
  readonly isReady: boolean;
  readonly members: ReadonlySet<string>;
  readonly liveness: ReadonlyMap<string, { readonly state: Liveness; readonly sinceMs: number }>;
  /** Revoked, or forgotten by an operator. */
  readonly ended: ReadonlySet<string>;
  readonly heard: ReadonlyMap<string, Heard>;
  /** For how long in all a member has been alive and told nothing before, since it last told. */
  readonly silence: ReadonlyMap<string, number>;
  /** When others were last heard before this device started, if it was off for no time; until they are seen alive. */
  readonly heardBefore: ReadonlyMap<string, number>;
  /** As on disk. */
  readonly silentHours: ReadonlyMap<string, number>;
  readonly silenceAt: number;
  /** Since when a member has told of another founder's list. */
  readonly foreign: ReadonlyMap<string, number>;
  /** Since when a member has told of a list that counts more than ours. */
  readonly ahead: ReadonlyMap<string, number>;
  readonly claim?: Claim | undefined;
  /** Granted, and neither given back nor lost: after a restart the one from before it. */
  readonly held?: Held | undefined;
  /** It has given back all that it held: what others still hold for it is over. Not so after a start, when it may be away under a lease. */
  readonly isDone: boolean;
  readonly freeing: readonly Freeing[];
  readonly proposal?: Proposal | undefined;
  readonly seed: number;
  readonly announceAt: number;
  readonly queryAt: number;
  readonly workAt: number;
  readonly changeAt: number;
  readonly dueAt: number;
};

export type Event =
  | { kind: "heard"; from: string; message: LeaseMessage }
  | { kind: "members"; ids: readonly string[] }
  | { kind: "liveness"; states: ReadonlyMap<string, Liveness> }
  /** All devices that are gone for good, by the root's or an operator's word. */
  | { kind: "ended"; ids: readonly string[] }
  | { kind: "ask"; claim: string; most: number }
  | { kind: "release"; claim: string }
  /** Whatever this member holds, also from before a restart. */
  | { kind: "giveBack" }
  | { kind: "tick" };
export type Denial = {
  by: "held" | "noMajority" | "settling";
  holder?: string | undefined;
  /** On whom voters that have restarted wait. */
  awaits?: string | undefined;
  untilMs?: number | undefined;
};
export type Effect =
  /** Before any message that follows. */
  | { kind: "save"; kept: Kept }
  | { kind: "send"; to: string; message: LeaseMessage }
  | { kind: "granted"; claim: string; slot: number; untilMs: number; away: readonly string[] }
  | ({ kind: "denied"; claim: string } & Denial)
  | { kind: "lost"; claim: string }
  | { kind: "listed"; list: VoterList };

export type Turn = {
  view: { -readonly [Key in keyof View]: View[Key] };
  readonly now: number;
  readonly random: Random;
  readonly effects: Effect[];
  /** Messages to this member itself, which voters send like any other. */
  readonly own: LeaseMessage[];
};

export const keptOf = ({ list, promised, accepted, grants, held, silentHours }: View): Kept => ({
  list,
  ...(promised && { promised }),
  ...(accepted && { accepted }),
  grants: grants.map(({ slot, holder, claim }) => ({ slot, holder, claim })),
  ...(held && { held }),
  ...(silentHours.size > 0 && { silentHours: Object.fromEntries(silentHours) }),
});

export function send(turn: Turn, to: string, message: LeaseMessage): void {
  if (to === turn.view.self) turn.own.push(message);
  else turn.effects.push({ kind: "send", to, message });
}

export const isVoter = ({ list, self }: Pick<View, "list" | "self">): boolean => list.voters.includes(self);

export const isAlive = ({ self, liveness }: View, id: string): boolean =>
  id === self || liveness.get(id)?.state === "alive";

/** Grants that have not ended. */
export const activeGrants = ({ grants }: View, now: number): Grant[] => grants.filter(({ untilMs }) => untilMs > now);
