import { expect, test } from "vitest";
import { type Activity, chooseMoment, isReached, isUnderWay } from "../../../../image/lab/power/moment.ts";

const course: Activity[] = [
  { phase: "idle" },
  { phase: "checking" },
  ...[0, 25, 50, 100].map((doneBytes) => ({ phase: "writing", doneBytes, totalBytes: 100 })),
  ...[0, 50, 100].map((doneBytes) => ({ phase: "verifying", doneBytes, totalBytes: 100 })),
  { phase: "restarting" },
  { phase: "trying" },
];

test("every seed chooses a moment that each update comes to, and seeds choose every phase", () => {
  const moments = Array.from({ length: 200 }, (_, seed) => chooseMoment({ seed }));
  for (const moment of moments) {
    const at = course.findIndex((activity) => isReached(moment, activity));
    expect(course[at]?.phase).toBe(moment.phase);
    // Never before the update, and for good once it is reached.
    expect(course.slice(at).every((activity) => isReached(moment, activity))).toBe(true);
  }
  expect(new Set(moments.map(({ phase }) => phase))).toEqual(new Set(["writing", "verifying", "restarting", "trying"]));
  expect(chooseMoment({ seed: 7 })).toEqual(chooseMoment({ seed: 7 }));
});

test("half of an update's writing is reached at half of its bytes", () => {
  const half = { phase: "writing", share: 0.5 } as const;
  expect(course.map((activity) => isReached(half, activity)).indexOf(true)).toBe(4);
  expect(isReached(half, undefined)).toBe(false);
});

test("an update is under way from its first byte to its verdict", () => {
  expect(course.map(isUnderWay)).toEqual(course.map(({ phase }) => !["idle", "checking"].includes(phase)));
});
