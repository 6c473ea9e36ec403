// What counts of the rollouts that were heard of: of each the document with the highest number, for ever. In whatever order documents come,
// and however often, every device ends with the same.
// Pure.
import type { Signed } from "./order.ts";
import type { Revocations } from "./revocation.ts";
import type { Rollout } from "./rollout.ts";

/** The documents that count, by rollout: one, or two of the same number that say different things. */
export type HeldRollouts = ReadonlyMap<string, readonly Signed<Rollout>[]>;

/** One rollout as it stands. */
export type RolloutOrder = {
  /** What was signed last. */
  rollout: Rollout;
  /** What counts: `rollout.state`, or a pause for the reason in `because`. */
  state: Rollout["state"];
  because?: "operatorsDisagree" | "operatorRevoked";
  /** Names of the operators who signed it: two if they disagree. */
  operators: readonly string[];
};

const aborted = 2 ** 48;
/** Abort is final: no number is above it. */
export const rankOf = ({ state, number }: Pick<Rollout, "state" | "number">): number =>
  (state === "aborted" ? aborted : 0) + number;

/** With one more document; the same map if it changes nothing. */
export function addRollout(held: HeldRollouts, added: Signed<Rollout>): HeldRollouts {
  const { rollout } = added.content;
  const known = held.get(rollout) ?? [];
  const all = [...known, added];
  const highest = Math.max(...all.map(({ content }) => rankOf(content)));
  const newest = all.filter(({ content }) => rankOf(content) === highest).sort(byDigest);
  // Of documents that say the same the lowest digest stays, and of disagreements the first two, so that all devices keep the same.
  const kept = newest.filter((one, at) => newest.findIndex((other) => meaningOf(other) === meaningOf(one)) === at);
  const next = kept.slice(0, 2);
  const isSame = next.length === known.length && next.every(({ digest }, at) => digest === known[at]!.digest);
  return isSame ? held : new Map(held).set(rollout, next);
}

const byDigest = (one: Signed<Rollout>, other: Signed<Rollout>) => (one.digest < other.digest ? -1 : 1);

/** Everything but who signed it and when. Nobody disagrees about a rollout that both abort. */
function meaningOf({ content }: Signed<Rollout>): string {
  if (content.state === "aborted") return "aborted";
  const { operator: _, certificate: __, issuedAt: ___, ...said } = content;
  return JSON.stringify(Object.entries(said).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The rollouts as they stand, the one that started first in front. */
export const rolloutOrders = (held: HeldRollouts, revocations: Pick<Revocations, "operators">): RolloutOrder[] =>
  [...held.values()]
    .map((documents) => standing(documents, revocations))
    .sort(
      ({ rollout: one }, { rollout: other }) =>
        one.startedAt - other.startedAt || (one.rollout < other.rollout ? -1 : 1),
    );

function standing(documents: readonly Signed<Rollout>[], { operators }: Pick<Revocations, "operators">): RolloutOrder {
  const valid = documents.filter(({ operator }) => !operators.has(operator.key));
  const [first, second] = valid.length > 0 ? valid : documents;
  const { content: rollout } = first!;
  const names = [first!, ...(second ? [second] : [])].map(({ operator }) => operator.name);
  // What was aborted stays so, whatever became of who did it.
  if (rollout.state === "aborted") return { rollout, state: "aborted", operators: names };
  if (valid.length === 0) return { rollout, state: "paused", because: "operatorRevoked", operators: names };
  if (second) return { rollout, state: "paused", because: "operatorsDisagree", operators: names };
  return { rollout, state: rollout.state, operators: names };
}
