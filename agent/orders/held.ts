// What this device holds of what operators have signed.
// Pure.
import type { Forget } from "../../provisioning/trust/forget.ts";
import type { Hold } from "../../provisioning/trust/hold.ts";
import type { OperatorCertificate } from "../../provisioning/trust/operator.ts";
import { operatorIdOf } from "../../provisioning/trust/operator.ts";
import type { Signed } from "../../provisioning/trust/order.ts";
import type { Revocations } from "../../provisioning/trust/revocation.ts";
import type { Rollout } from "../../provisioning/trust/rollout.ts";
import { addRollout as addDocument } from "../../provisioning/trust/rollout-orders.ts";
import {
  addLatest,
  type Latest,
  type Moment,
  none,
  outdated,
  type Rule,
  refuseOutdated,
  withinBounds,
} from "./latest.ts";

export type Certified = { content: OperatorCertificate; jws: string; digest: string };
/** By the device's id. `forget`: the digest of the one that it ends. */
export type Comebacks = ReadonlyMap<string, { forget: string; jws: string }>;
export type Held = {
  operators: Latest<Certified>;
  /** Of each rollout the documents that count. */
  rollouts: Latest<readonly Signed<Rollout>[]>;
  holds: Latest<Signed<Hold>>;
  forgets: Latest<Signed<Forget>>;
  comebacks: Comebacks;
  /** Ids of rollouts that made room for others, the last one at the end: nothing of them is taken again, whatever any clock says. */
  pastRollouts: readonly string[];
};
export const nothingHeld: Held = {
  ...{ operators: none, rollouts: none, holds: none, forgets: none },
  comebacks: new Map(),
  pastRollouts: [],
};

const mostRollouts = 16;
/** 22 characters each. By then the date below which nothing is taken has long passed them. */
const mostPast = 256;
const mostDevices = 256;
const mostOperators = 64;

const signerOf = ({ operator }: { operator: OperatorCertificate }) => [operator.key];
const signedAt = ({ content }: { content: { issuedAt: number } }) => content.issuedAt;
/** By number; of equal ones every device chooses the same. */
const hasHigherNumber = <T extends { number: number }>(one: Named<T>, other: Named<T>): boolean =>
  one.content.number > other.content.number ||
  (one.content.number === other.content.number && one.digest < other.digest);
type Named<T> = { content: T; digest: string };

const operatorRule: Rule<Certified> = {
  most: mostOperators,
  subjectOf: ({ content }) => operatorIdOf(content.key),
  ageOf: signedAt,
  signersOf: ({ content }) => [content.key],
  isAbove: (one, other) =>
    signedAt(one) > signedAt(other) || (signedAt(one) === signedAt(other) && one.digest < other.digest),
};
const holdRule: Rule<Signed<Hold>> = {
  most: mostDevices,
  subjectOf: ({ content }) => content.device,
  ageOf: signedAt,
  signersOf: signerOf,
  // Of two operators who disagree the more careful one counts.
  isAbove: (one, other) =>
    one.content.number === other.content.number && one.content.until !== other.content.until
      ? one.content.until > other.content.until
      : hasHigherNumber(one, other),
};
const forgetRule: Rule<Signed<Forget>> = {
  most: mostDevices,
  subjectOf: ({ content }) => content.device,
  ageOf: signedAt,
  signersOf: signerOf,
  isAbove: hasHigherNumber,
};

export const addOperator = (held: Held, added: Certified, moment: Moment): Held =>
  put(held, "operators", addLatest(held.operators, added, operatorRule, moment));
export const addHold = (held: Held, added: Signed<Hold>, moment: Moment): Held =>
  put(held, "holds", addLatest(held.holds, added, holdRule, moment));
export const addForget = (held: Held, added: Signed<Forget>, moment: Moment): Held =>
  put(held, "forgets", addLatest(held.forgets, added, forgetRule, moment));

/** `isDone`: whether every device has the release. */
export type Bounds = Moment & { isDone(rollout: string): boolean };

/** Throws `Refusal` if it made room for others here, or started before one that did. */
export function addRollout(held: Held, added: Signed<Rollout>, { isDone, ...moment }: Bounds): Held {
  const { documents, floorMs } = held.rollouts;
  const { rollout, startedAt, state } = added.content;
  if (!documents.has(rollout)) {
    if (held.pastRollouts.includes(rollout)) throw outdated();
    refuseOutdated(startedAt, floorMs);
  }
  const next = addDocument(documents, added);
  if (next === documents) return held;
  const isAborted = (all: readonly Signed<Rollout>[]) => all[0]!.content.state === "aborted";
  const rule = {
    most: mostRollouts,
    ageOf: (all: readonly Signed<Rollout>[]) => all[0]!.content.startedAt,
    signersOf: (all: readonly Signed<Rollout>[]) => all.flatMap(signerOf),
    hasEnded: (all: readonly Signed<Rollout>[]) => isAborted(all) || isDone(all[0]!.content.rollout),
  };
  const [rollouts, gone] = withinBounds({ documents: next, floorMs }, rule, moment);
  if (gone === undefined) return { ...held, rollouts };
  const past = next.get(gone)!;
  // What only a revocation had paused another operator may go on with.
  const isOver = isAborted(past) || past.some(({ operator }) => !moment.revoked.has(operator.key));
  const pastRollouts = isOver ? [...held.pastRollouts, gone].slice(-mostPast) : held.pastRollouts;
  if (gone !== rollout) return { ...held, rollouts, pastRollouts };
  // There is no room for it: of an abort that much is kept that nobody begins what it ended.
  if (state !== "aborted") throw outdated();
  return { ...held, pastRollouts };
}

/** Without what revoked operators signed, except the rollouts that the root named when it revoked them. */
export function withoutRevoked(held: Held, { operators: revoked, stopped }: Revocations): Held {
  const { operators, rollouts, holds, forgets } = held;
  const bySomebody = ({ operator }: { operator: OperatorCertificate }) => !revoked.has(operator.key);
  const counts = (one: Signed<Rollout>) => bySomebody(one) || stopped.has(one.digest);
  return {
    ...held,
    operators: some(operators, ({ content }) => !revoked.has(content.key)),
    rollouts: {
      ...rollouts,
      documents: new Map([...rollouts.documents].map(([id, all]) => [id, all.filter(counts)])),
    },
    holds: some(holds, bySomebody),
    forgets: some(forgets, bySomebody),
  };
}

const some = <T>({ documents, floorMs }: Latest<T>, is: (document: T) => boolean): Latest<T> => ({
  ...{ documents: new Map([...documents].filter(([, document]) => is(document))), floorMs },
});

export type Floors = Record<Exclude<keyof Held, "comebacks" | "pastRollouts">, number>;

/** What was above the floor when it came stays, wherever the floor is now. */
export const withFloors = (held: Held, floorsMs: Floors): Held => ({
  ...held,
  operators: { ...held.operators, floorMs: floorsMs.operators },
  rollouts: { ...held.rollouts, floorMs: floorsMs.rollouts },
  holds: { ...held.holds, floorMs: floorsMs.holds },
  forgets: { ...held.forgets, floorMs: floorsMs.forgets },
});

function put<Kind extends keyof Held>(held: Held, kind: Kind, latest: Held[Kind]): Held {
  return latest === held[kind] ? held : { ...held, [kind]: latest };
}
