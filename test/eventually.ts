// Waits until something real becomes true, with a deadline; the error carries the last reason why it did not.
import { crowding, measureSlowness, slowness } from "./speed.ts";

export type Patience = {
  /** ms on an idle machine; a slower or busy one gets proportionally longer. */
  within?: number;
  /** ms between two attempts. */
  every?: number;
  /** For waits of many steps: `within` restarts whenever the returned value changes. */
  progress?: () => unknown;
  /** Returns how many programs share a core now. */
  crowd?: () => number;
};

/** Repeats `attempt` until it neither throws nor returns `false`, then returns its result. */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { within = 5_000, every = 100, progress, crowd = crowding }: Patience = {},
): Promise<Exclude<T, false>> {
  const startedAt = performance.now();
  let countedAt = startedAt;
  /** Time used of `within`, converted to an idle machine: the load may change during a wait. */
  let passed = 0;
  let seen: unknown;
  let slower = slowness();
  const isLate = () => passed >= within * slower;
  for (;;) {
    let reason: unknown = "it stayed false";
    try {
      const result = await attempt();
      if (result !== false) return result as Exclude<T, false>;
    } catch (error) {
      reason = error;
    }
    const now = performance.now();
    passed += (now - countedAt) / crowd();
    countedAt = now;
    const is = await progress?.();
    if (is !== seen) {
      seen = is;
      passed = 0;
    }
    if (isLate()) {
      // The run may have begun in a quiet moment, so measure how fast the machine is now. That takes a third of a second:
      // too long for a short wait that is itself one attempt of a longer one.
      if (within >= 1_000) slower = Math.max(slower, measureSlowness());
      if (isLate()) {
        throw new Error(`not within ${Math.round(performance.now() - startedAt)} ms`, { cause: reason });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
