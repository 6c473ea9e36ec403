// Where each step of a recipe writes: in which part, and at which place.
// Pure.
import type { Part } from "../format/manifest.ts";
import type { Recipe, Step } from "../format/recipe.ts";

/** `at` counts through all parts, `offset` in the step's own. */
export type PlacedStep = Step & { at: number; offset: number };
export type PartPlan = { part: Part; steps: PlacedStep[] };

/** The recipe has been checked against the parts: no step crosses the end of one. */
export function planParts(parts: Part[], { steps }: Recipe): PartPlan[] {
  let next = 0;
  let start = 0;
  return parts.map((part) => {
    const own: PlacedStep[] = [];
    for (let offset = 0; offset < part.sizeBytes; next += 1) {
      const step = steps[next]!;
      own.push({ ...step, at: start + offset, offset });
      offset += step.length;
    }
    start += part.sizeBytes;
    return { part, steps: own };
  });
}

/** The steps that make the bytes from `at` on, with gaps where they make none. */
export const stepsCovering = (steps: PlacedStep[], at: number, length: number): PlacedStep[] =>
  steps.filter((one) => one.at < at + length && one.at + one.length > at);
