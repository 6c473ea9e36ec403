// `eventually` waits as long as something makes progress and gives up soon when nothing does.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { eventually } from "./eventually.ts";
import { crowding } from "./speed.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubEnv("HAMLET_TEST_SLOWNESS", "2");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

const crowd = () => 1;

test("a machine at half speed gets twice the time, and the error carries the last reason", async () => {
  let attempts = 0;
  const fail = () => {
    throw new Error(`no ${++attempts}`);
  };
  const failing = expect(eventually(fail, { within: 1_000, crowd })).rejects.toMatchObject({
    message: "not within 2000 ms",
    cause: new Error("no 21"),
  });
  await vi.advanceTimersByTimeAsync(2_000);
  await failing;
});

test("each step of progress restarts the limit; standing still ends the wait", async () => {
  let step = 0;
  const startedAt = performance.now();
  const timer = setInterval(() => step++ === 9 && clearInterval(timer), 1_500);
  await Promise.all([
    expect(eventually(() => false, { within: 1_000, progress: () => step, crowd })).rejects.toThrow("not within"),
    vi.advanceTimersByTimeAsync(60_000),
  ]);
  expect(step).toBe(10);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(17_000);
});

test("a third of the time counts while three programs share a core", async () => {
  let others = 3;
  const startedAt = performance.now();
  const failing = expect(eventually(() => false, { within: 1_000, crowd: () => others })).rejects.toThrow("not within");
  await vi.advanceTimersByTimeAsync(3_000);
  others = 1;
  await vi.advanceTimersByTimeAsync(1_500);
  await failing;
  // The limit is 2,000 ms at half speed; 1,000 of them had passed after three seconds.
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(4_000);
});

test("crowding rises on a busy machine", async () => {
  vi.useRealTimers();
  const cores = availableParallelism();
  const loops = Array.from({ length: 3 * cores }, () => spawn(process.execPath, ["-e", "for (;;);"]));
  try {
    await eventually(() => crowding() >= 2);
  } finally {
    for (const loop of loops) loop.kill("SIGKILL");
  }
});
