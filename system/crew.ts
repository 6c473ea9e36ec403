// Runs tasks side by side, a few at a time.

export type Crew = {
  /** Resolves when the task has begun. Throws what an earlier task threw. */
  begin(task: () => Promise<void>): Promise<void>;
  /** Resolves when all tasks have ended; throws what the first that failed threw. */
  end(): Promise<void>;
};

export function makeCrew(size: number): Crew {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  return {
    async begin(task) {
      while (running.size >= size) await Promise.race(running);
      if (failures.length > 0) throw failures[0];
      const one: Promise<void> = task()
        .catch((error: unknown) => void failures.push(error))
        .finally(() => running.delete(one));
      running.add(one);
    },
    async end() {
      await Promise.all(running);
      if (failures.length > 0) throw failures[0];
    },
  };
}
