// What tests wait by must itself be right: patient with what goes on, short with what stands still.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { eventually } from "./eventually.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubEnv("HAMLET_TEST_SLOWNESS", "2");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

test("on a machine of half the speed the limit is twice as far away, and the error tells the last reason", async () => {
  let attempts = 0;
  const fail = () => {
    throw new Error(`no ${++attempts}`);
  };
  const failing = expect(eventually(fail, { within: 1_000 })).rejects.toMatchObject({
    message: "not within 2000 ms",
    cause: new Error("no 21"),
  });
  await vi.advanceTimersByTimeAsync(2_000);
  await failing;
});

test("each step begins the limit anew; silence ends the wait", async () => {
  let step = 0;
  const startedAt = performance.now();
  const timer = setInterval(() => step++ === 9 && clearInterval(timer), 1_500);
  await Promise.all([
    expect(eventually(() => false, { within: 1_000, progress: () => step })).rejects.toThrow("not within"),
    vi.advanceTimersByTimeAsync(60_000),
  ]);
  expect(step).toBe(10);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(17_000);
});
