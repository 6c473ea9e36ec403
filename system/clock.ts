// The system's time. Composition roots hand it on as an argument; cores never read it themselves.

/** `now` is wall time in ms since 1970 and may jump; `monotonic` is ms since an arbitrary start and never goes back. */
export type Clock = { now(): number; monotonic(): number };

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
