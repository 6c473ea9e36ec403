// What a device's new word makes of what is known of it, its own included.
// Pure. Times are monotonic.
import type { Effect, HeardResult, Result, View } from "./view.ts";

/** What a device says, before it is numbered. */
export type Word = Omit<Result, "device" | "said">;

/** A device that begins, stays and begins again takes the restart from the others each time. Power may fail in some of its trials. */
const mostTries = 8;

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
  const isSame = before?.rollout === result.rollout && before.release === result.release;
  if (!isSame) return { ...result, heardAtMs: nowMs, tries: { number, count: isTry(result) ? 1 : 0 } };
  const isUnderSame = before.tries?.number === number;
  const beganAgain = before.outcome === "began" && result.outcome === "began" && isUnderSame;
  const hasItAgain = before.outcome === "updated" && result.outcome === "updated";
  const isAgain = beganAgain || hasItAgain || (isStuck(before) && isStuck(result));
  const earlier = isUnderSame ? before.tries.count : 0;
  const isNew = isTry(result) && !(isUnderSame && isTry(before));
  return {
    ...result,
    heardAtMs: isAgain ? before.heardAtMs : nowMs,
    tries: { number, count: earlier + (isNew ? 1 : 0) },
  };
}

const isTry = ({ outcome }: Result): boolean => outcome === "began" || outcome === "updated";

/** It has no further try before an operator gives another number. */
export const hasTriedEnough = ({ outcome, tries }: HeardResult, number: number): boolean =>
  tries?.number === number && tries.count >= (outcome === "stayed" ? mostTries : mostTries + 1);

/** Something keeps the device from beginning. */
export const isStuck = <One extends Pick<Result, "outcome" | "check">>(word: One): word is One & { check: string } =>
  word.outcome === "stayed" && word.check !== undefined;
