// Spreads what is read over time, so that an update leaves the line to people.
import { type Clock, sleep } from "./clock.ts";

/** Call it after each piece: it resolves when the next one may be read. */
export type Pacer = (bytes: number, signal: AbortSignal) => Promise<void>;

export function makePacer(bytesPerS: number, clock: Clock, wait: typeof sleep = sleep): Pacer {
  let freeAt = 0;
  return async (bytes, signal) => {
    const now = clock.monotonic();
    freeAt = Math.max(freeAt, now) + (1000 * bytes) / bytesPerS;
    await wait(freeAt - now, signal);
  };
}
