// Waiting for something real to become true, with a deadline and the last reason why it was not.
import { measureSlowness, slowness } from "./speed.ts";

export type Patience = {
  /** ms on an idle machine; on a slower one it is so much longer. */
  within?: number;
  /** ms between two attempts. */
  every?: number;
  /** For what takes many steps: whenever this gives something else than before, `within` begins anew. */
  progress?: () => unknown;
};

/** Repeats `attempt` until it neither throws nor gives `false`; what it gave last comes back. */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { within = 5_000, every = 100, progress }: Patience = {},
): Promise<Exclude<T, false>> {
  let since = performance.now();
  let seen: unknown;
  let slower = slowness();
  const isLate = () => performance.now() >= since + within * slower;
  for (;;) {
    let reason: unknown = "it stayed false";
    try {
      const result = await attempt();
      if (result !== false) return result as Exclude<T, false>;
    } catch (error) {
      reason = error;
    }
    const now = await progress?.();
    if (now !== seen) {
      seen = now;
      since = performance.now();
    }
    if (isLate()) {
      // The run may have begun in a quiet moment: what counts is how fast the machine is now.
      // Measuring takes a third of a second: for a glance, itself an attempt of a longer wait, too long.
      if (within >= 1_000) slower = Math.max(slower, measureSlowness());
      if (isLate()) throw new Error(`not within ${Math.round(within * slower)} ms`, { cause: reason });
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
