// Pauses grow to a ceiling, and chance only makes them shorter.
import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs, doubledMs } from "../../system/retry.ts";

const pauses = { firstMs: 500, longestMs: 60_000 };

test("pauses double up to the ceiling", () => {
  expect([0, 1, 2, 6, 7, 8, 5_000].map((failures) => doubledMs(pauses, failures))).toEqual([
    ...[500, 1_000, 2_000, 32_000, 60_000, 60_000, 60_000],
  ]);
});

test("chance takes up to half of a pause, never adds to it", () => {
  expect(backoffMs(pauses, 1, 0)).toBe(500);
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.nat(10_000), random, (failures, chance) => {
      const pause = backoffMs(pauses, failures, chance);
      expect(pause).toBeGreaterThanOrEqual(doubledMs(pauses, failures) / 2);
      expect(pause).toBeLessThanOrEqual(doubledMs(pauses, failures));
    }),
  );
});
