// Power that fails at a chosen write. It wraps the file operations, counts each write and cuts one off with a chosen
// outcome; the next boot finds what the disk holds then.

export class PowerCut extends Error {}

/** The outcome of a cut write: nothing, all of it, or the partial write that its kind of storage is known for. */
export type Outcome = "nothing" | "all" | "half";
export const outcomes: Outcome[] = ["nothing", "all", "half"];

export type Power = {
  /** Cuts power at the `number`-th write from now; 0 is the next one. */
  cutAt(number: number, outcome: Outcome): void;
  restore(): void;
  /** Number of writes since `restore`. */
  writes(): number;
  /** Performs one write: `all` completes it, `half` leaves what a cut in the middle may leave. */
  write<T>(all: () => Promise<T>, half: () => Promise<unknown>): Promise<T>;
};

export function makePower(): Power {
  let done = 0;
  let cut: { number: number; outcome: Outcome } | undefined;
  let isOff = false;
  return {
    cutAt(number, outcome) {
      done = 0;
      cut = { number, outcome };
    },
    restore() {
      done = 0;
      cut = undefined;
      isOff = false;
    },
    writes: () => done,
    async write(all, half) {
      if (isOff) throw new PowerCut("power is off");
      const isCut = cut?.number === done;
      done += 1;
      if (!isCut) return all();
      isOff = true;
      if (cut?.outcome === "all") await all();
      if (cut?.outcome === "half") await half();
      throw new PowerCut("power was cut");
    },
  };
}
