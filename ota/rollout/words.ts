// What a device's new word makes of what is known of it, its own included.
// Pure. Times are monotonic.
import type { Effect, HeardResult, Order, Outcome, Result, View } from "./view.ts";

/** What a device says, before it is numbered. */
export type Word = Omit<Result, "device" | "said">;

/** A device that begins, stays and begins again takes the restart from the others each time. Power may fail in some of its trials. */
const mostTries = 8;
/** As many rollouts as a device keeps. */
const mostElsewhere = 16;

/** This device's own word counts from the moment at which it is given. */
export function say(view: View, word: Word, nowMs: number): [View, Effect] {
  const result = { ...word, device: view.self, said: (view.results.get(view.self)?.said ?? 0) + 1 };
  return [
    { ...view, results: new Map(view.results).set(view.self, hearWord(view, result, nowMs)), movedAtMs: nowMs },
    { kind: "publish", result },
  ];
}

/** Whoever says again that it has begun, that it has the release or that something keeps it gets no more time by that. */
export function hearWord(view: View, result: Result, nowMs: number): HeardResult {
  const before = view.results.get(result.device);
  // The number that the device names is its own word, and the one that counts here is an operator's.
  const number = view.orders.find(({ order }) => order.rollout === result.rollout)?.order.number ?? 0;
  const { here, elsewhere } = triesBefore(view, before, result.rollout);
  const isUnderSame = here?.number === number;
  const isSame = before?.rollout === result.rollout && before.release === result.release;
  const beganAgain = before?.outcome === "began" && result.outcome === "began" && isUnderSame;
  const hasItAgain = before?.outcome === "updated" && result.outcome === "updated";
  const isAgain = isSame && (beganAgain || hasItAgain || (isStuck(before) && isStuck(result)));
  const isNew = isTry(result, isSame && isUnderSame ? before.outcome : undefined);
  return {
    ...result,
    heardAtMs: isAgain ? before.heardAtMs : nowMs,
    tries: { number, count: (isUnderSame ? here.count : 0) + (isNew ? 1 : 0) },
    ...(elsewhere.length > 0 && { elsewhere }),
  };
}

/** A word of another rollout in between takes none of them back. Of rollouts that no operator has ordered none are kept. */
function triesBefore({ orders }: View, before: HeardResult | undefined, rollout: string) {
  const last = before?.tries ? [{ rollout: before.rollout, ...before.tries }] : [];
  const all = [...last, ...(before?.elsewhere ?? [])];
  const isOrdered = (id: string) => orders.some(({ order }) => order.rollout === id);
  const others = all.filter((one) => one.rollout !== rollout && (orders.length === 0 || isOrdered(one.rollout)));
  return { here: all.find((one) => one.rollout === rollout), elsewhere: others.slice(0, mostElsewhere) };
}

/** `before`: the word that it follows. */
const isTry = ({ outcome }: Result, before: Outcome | undefined): boolean =>
  outcome === "began" ? before !== "began" : outcome === "updated" && before !== "began" && before !== "updated";

/** It has no further try before an operator gives another number. */
export function hasTriedEnough(word: HeardResult, { rollout, number, release }: Order): boolean {
  const isHere = word.rollout === rollout;
  const tries = isHere ? word.tries : word.elsewhere?.find((one) => one.rollout === rollout);
  const isAtIt = isHere && word.release === release && (word.outcome === "began" || word.outcome === "updated");
  return tries?.number === number && tries.count >= (isAtIt ? mostTries + 1 : mostTries);
}

/** Something keeps the device from beginning. */
export const isStuck = <One extends Pick<Result, "outcome" | "check">>(word: One): word is One & { check: string } =>
  word.outcome === "stayed" && word.check !== undefined;

/** That a device has stayed where it was could be said for ever. */
export const isProgress = (word: Result, rollout: string): boolean =>
  word.rollout === rollout && word.outcome !== "stayed";
