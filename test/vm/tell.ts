// What a scenario says while it runs: each line counts as a sign of life outside, and the last ones stand in the error.
import type { Run } from "../../system/command.ts";

export type Tell = (step: string) => void;

/** Emulated on a busy machine a command may take a hundred times as long as usual: whether all is lost is judged outside. */
const patienceMs = 600_000;

/** Tells of each command as it ends. */
export const telling =
  (tell: Tell, run: Run): Run =>
  async (argv, options) => {
    const startedAt = performance.now();
    try {
      return await run(argv, { ...options, timeoutMs: patienceMs });
    } finally {
      tell(`${abridged(argv.join(" "))} (${Math.round(performance.now() - startedAt)} ms)`);
    }
  };

// What it is stands at the beginning, what it is about at the end, and hundreds of peers between them.
const abridged = (text: string): string => (text.length <= 160 ? text : `${text.slice(0, 60)} ... ${text.slice(-90)}`);
