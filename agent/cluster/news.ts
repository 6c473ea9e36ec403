// What members say about one another, and which of two claims counts.
// Pure. The order is total: members that heard the same news in any sequence believe the same.

export type State = "alive" | "suspect" | "dead" | "left";

/** What a member says about itself, under its own signature. Incarnations start at 1. */
export type Claim = { id: string; incarnation: number; state: "alive" | "left" };

/** A claim as it travels, perhaps doubted by member `by`. `signature` is always the subject's own. */
export type News =
  | { id: string; incarnation: number; state: "alive" | "left"; signature: string }
  | { id: string; incarnation: number; state: "suspect" | "dead"; signature: string; by: string };

/** Signs for this member and verifies the others' claims. Ed25519 is deterministic, so step() stays pure. */
export type Proofs = { sign(claim: Claim): string; verify(claim: Claim, signature: string): boolean };

const rank: Record<State, number> = { alive: 0, suspect: 1, dead: 2, left: 3 };

type Ranked = { incarnation: number; state: State };

export function outranks(a: Ranked, b: Ranked): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && rank[a.state] > rank[b.state]);
}

/** The part of `news` that its subject signed: an accuser must show that the incarnation is real. */
export function claimOf({ id, incarnation, state }: News): Claim {
  return { id, incarnation, state: state === "left" ? "left" : "alive" };
}

/** The exact bytes that are signed. No JWS starts like this, so neither can pass for the other. */
export function claimText({ id, incarnation, state }: Claim): string {
  return `hamlet-liveness\n${id}\n${incarnation}\n${state}`;
}
