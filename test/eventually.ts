// Waiting for something real to become true, with a deadline and the last reason why it was not.
import { crowding, measureSlowness, slowness } from "./speed.ts";

export type Patience = {
  /** ms on an idle machine; on a slower or a busy one it is so much longer. */
  within?: number;
  /** ms between two attempts. */
  every?: number;
  /** For what takes many steps: whenever this gives something else than before, `within` begins anew. */
  progress?: () => unknown;
  /** How many programs share a core now. */
  crowd?: () => number;
};

/** Repeats `attempt` until it neither throws nor gives `false`; what it gave last comes back. */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { within = 5_000, every = 100, progress, crowd = crowding }: Patience = {},
): Promise<Exclude<T, false>> {
  const startedAt = performance.now();
  let countedAt = startedAt;
  /** What passed of `within`, if this machine were idle: others may come and go during a wait. */
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
      // The run may have begun in a quiet moment: what counts is how fast the machine is now.
      // Measuring takes a third of a second: for a glance, itself an attempt of a longer wait, too long.
      if (within >= 1_000) slower = Math.max(slower, measureSlowness());
      if (isLate()) {
        throw new Error(`not within ${Math.round(performance.now() - startedAt)} ms`, { cause: reason });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
