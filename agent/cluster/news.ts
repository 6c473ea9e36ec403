// What members say about one another, and which of two sayings counts.
// Pure. The order is total, so members that heard the same news in any sequence believe the same.

export type State = "alive" | "suspect" | "dead" | "left";

/** What a member says of itself, under its own signature. Incarnations start at 1. */
export type Claim = { id: string; incarnation: number; state: "alive" | "left" };

/** A claim as it travels, with the doubt of member `by` laid over it: `signature` is always the subject's own. */
export type News =
  | { id: string; incarnation: number; state: "alive" | "left"; signature: string }
  | { id: string; incarnation: number; state: "suspect" | "dead"; signature: string; by: string };

/** Signs for this member and checks the others; both give the same answer for the same input (Ed25519 does). */
export type Proofs = { sign(claim: Claim): string; verify(claim: Claim, signature: string): boolean };

const rank: Record<State, number> = { alive: 0, suspect: 1, dead: 2, left: 3 };

type Standing = { incarnation: number; state: State };

export function outranks(a: Standing, b: Standing): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && rank[a.state] > rank[b.state]);
}

/** The part of `news` that its subject signed. Whoever accuses must show the incarnation was real. */
export function claimOf({ id, incarnation, state }: News): Claim {
  return { id, incarnation, state: state === "left" ? "left" : "alive" };
}

/** The exact bytes under a signature. No JWS starts like this, so neither can pass for the other. */
export function claimText({ id, incarnation, state }: Claim): string {
  return `hamlet-liveness\n${id}\n${incarnation}\n${state}`;
}
