// The system's time. Composition roots hand it on as an argument; cores never read it themselves.

import { existsSync, readFileSync } from "node:fs";

const uptimePath = "/proc/uptime";
const hasUptime = existsSync(uptimePath);

/** `now` is wall time in ms since 1970 and may jump; `monotonic` is ms since an arbitrary start and never goes back. */
export type Clock = { now(): number; monotonic(): number };

/**
 * ms since the system started. `monotonic` stands still while the device sleeps, this does not; only Linux has it.
 * A claim that ends by itself must go by this: others do not sleep meanwhile.
 */
export function sinceBootMs(): number {
  if (!hasUptime) return performance.now();
  return 1_000 * Number(readFileSync(uptimePath, "utf8").split(" ")[0]);
}

export const systemClock: Clock = { now: Date.now, monotonic: () => performance.now() };

export const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
  });

/** Runs `task` every `intervalMs`, plus or minus the fraction `jitter`, never twice at once. A failure goes to `onError` and stops nothing. */
export function every(
  intervalMs: number,
  task: () => unknown,
  onError: (error: unknown) => void,
  jitter = 0,
): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const schedule = () => {
    if (stopped) return;
    const spread = 1 + (Math.random() * 2 - 1) * jitter;
    timer = setTimeout(async () => {
      try {
        await task();
      } catch (error) {
        onError(error);
      }
      schedule();
    }, intervalMs * spread);
  };
  schedule();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
