// Rings when something is due, and looks again when what is due has changed.
import type { UpdaterParts } from "./parts.ts";

export type Alarm = { run(signal: AbortSignal): Promise<void>; lookAgain(): void };

/** Nothing is due later than in a day: then it only looks again. */
const longestMs = 24 * 60 * 60_000;

export function makeAlarm({ clock, sleep }: UpdaterParts, dueAtMs: () => number | undefined, ring: () => void): Alarm {
  let wake = () => {};
  return {
    lookAgain: () => wake(),
    async run(signal) {
      signal.addEventListener("abort", () => wake(), { once: true });
      while (!signal.aborted) {
        const due = dueAtMs() ?? Number.POSITIVE_INFINITY;
        const woken = new AbortController();
        wake = () => woken.abort();
        await sleep(Math.min(Math.max(0, due - clock.monotonic()), longestMs), woken.signal).catch(() => {});
        wake = () => {};
        if (!signal.aborted) ring();
      }
    },
  };
}
