// Waiting for something real to become true, with a deadline and the last reason why it was not.
import { slowness } from "./speed.ts";

/** `within` and `every` in ms, the first for an idle machine. Repeats `attempt` until it neither throws nor gives `false`; what it gave last comes back. */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { within = 5_000, every = 100 }: { within?: number; every?: number } = {},
): Promise<Exclude<T, false>> {
  const deadline = performance.now() + within * slowness();
  for (;;) {
    let reason: unknown = "it stayed false";
    try {
      const result = await attempt();
      if (result !== false) return result as Exclude<T, false>;
    } catch (error) {
      reason = error;
    }
    if (performance.now() >= deadline) throw new Error(`not within ${within} ms`, { cause: reason });
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
