// What members say about one another, and in whose name.
// Pure. Claims of a subject about itself are ordered: members that heard the same ones in any sequence hold the same one.

export type State = "alive" | "suspect" | "dead" | "left";

/** What a member says about itself, under its own signature. Incarnations start at 1. */
export type Claim = { id: string; incarnation: number; state: "alive" | "left" };

/** What member `by` says about another, under the accuser's signature: a reason to look, not a proof. */
export type Charge = { id: string; incarnation: number; state: "suspect" | "dead"; by: string };

/** `signature` is the subject's own: an accuser must show that the incarnation is real. `proof` is the accuser's. */
export type ClaimNews = Claim & { signature: string };
export type ChargeNews = Charge & { signature: string; proof: string };
export type News = ClaimNews | ChargeNews;

/** Signs in this member's name and verifies the others. Ed25519 is deterministic, so step() stays pure. */
export type Proofs = {
  sign(statement: Claim | Charge): string;
  verify(statement: Claim | Charge, signature: string): boolean;
};

export const isCharge = <T extends Claim | Charge>(news: T): news is Extract<T, Charge> => "by" in news;

/** The part of `news` that its subject signed. */
export const claimOf = ({ id, incarnation, state }: News): Claim => ({
  id,
  incarnation,
  state: state === "left" ? "left" : "alive",
});

/** Who signs this statement. */
export const speakerOf = (statement: Claim | Charge): string => (isCharge(statement) ? statement.by : statement.id);

/** The exact bytes that are signed. No JWS starts like this, and no claim like a charge, so none can pass for another. */
export const statementText = (statement: Claim | Charge): string =>
  `hamlet-${isCharge(statement) ? "accusation" : "liveness"}\n${statement.id}\n${statement.incarnation}\n${statement.state}`;
