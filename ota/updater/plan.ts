// Where each step of a recipe writes: in which part, and at which place.
// Pure.
import type { Part } from "../format/manifest.ts";
import type { OpenRecipe, Step } from "../format/recipe.ts";

/** `at` counts through all parts, `offset` in the step's own. */
export type PlacedStep = Step & { at: number; offset: number };
export type PartPlan = { part: Part; steps: Steps };
/** Made anew each time. */
export type Steps = Iterable<PlacedStep> & {
  /** Those that make any of the bytes from `at` on. */
  covering(at: number, length: number): Iterable<PlacedStep>;
};

/** The recipe has been checked against the parts: no step crosses the end of one. */
export function planParts(parts: Part[], { steps }: OpenRecipe): PartPlan[] {
  const count = steps.length;
  // Where each step begins, and the last one ends.
  const starts = new Float64Array(count + 1);
  for (let index = 0; index < count; index++) starts[index + 1] = starts[index]! + steps.at(index)!.length;
  /** The first step that ends behind `at`. */
  const firstBehind = (at: number): number => {
    let [low, high] = [0, count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle + 1]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  function* between(from: number, to: number, startAt: number): Generator<PlacedStep> {
    for (let index = firstBehind(from); index < count && starts[index]! < to; index++) {
      const at = starts[index]!;
      yield { ...steps.at(index)!, at, offset: at - startAt };
    }
  }
  let next = 0;
  return parts.map((part) => {
    const startAt = next;
    const end = startAt + part.sizeBytes;
    next = end;
    return {
      part,
      steps: {
        [Symbol.iterator]: () => between(startAt, end, startAt),
        covering: (at, length) => between(Math.max(startAt, at), Math.min(end, at + length), startAt),
      },
    };
  });
}

/** The steps that make the bytes from `at` on, in whatever part. */
export const stepsCovering = (plans: PartPlan[], at: number, length: number): PlacedStep[] =>
  plans.flatMap(({ steps }) => [...steps.covering(at, length)]);
