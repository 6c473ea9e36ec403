// Turns for who asks: so many at once, and the next turn goes to whoever has had the fewest lately, so that one member that asks for
// a thousand things does not hold up another that asks for one, and one whose tasks never end keeps no more than its share of the places.

export type Turns = {
  /** Runs the task when it is the source's turn. Undefined, at once, if too much waits already. */
  take<T>(source: string, task: () => Promise<T>): Promise<T> | undefined;
};
/** `atOnceEach`: of one source; by default as many as of all. */
export type TurnsOptions = { atOnce: number; atOnceEach?: number; maxWaiting: number; maxWaitingEach: number };

export function makeTurns({ atOnce, atOnceEach = atOnce, maxWaiting, maxWaitingEach }: TurnsOptions): Turns {
  /** In the order of their turns. */
  const sources = new Map<string, (() => void)[]>();
  const runningOf = new Map<string, number>();
  let [running, waiting] = [0, 0];

  function count(source: string, change: 1 | -1): void {
    running += change;
    const now = (runningOf.get(source) ?? 0) + change;
    if (now > 0) runningOf.set(source, now);
    else runningOf.delete(source);
  }

  function next(): void {
    for (const [source, queue] of sources) {
      if (running >= atOnce) return;
      if ((runningOf.get(source) ?? 0) >= atOnceEach) continue;
      // The others come first until it is this source's turn again.
      sources.delete(source);
      const start = queue.shift();
      if (queue.length > 0) sources.set(source, queue);
      if (!start) continue;
      waiting -= 1;
      count(source, 1);
      start();
    }
  }

  return {
    take(source, task) {
      const queue = sources.get(source) ?? [];
      if (waiting >= maxWaiting || queue.length >= maxWaitingEach) return undefined;
      return new Promise((resolve, reject) => {
        queue.push(() => {
          task()
            .then(resolve, reject)
            .finally(() => {
              count(source, -1);
              next();
            });
        });
        sources.set(source, queue);
        waiting += 1;
        next();
      });
    },
  };
}
