// Progress lines of a running scenario: outside, each one counts as a sign of life, and an error includes the last ones.
import type { Run } from "../../system/command.ts";

export type Tell = (step: string) => void;

/** Emulated on a busy machine, a command may take a hundred times as long as usual; the test outside decides when to give up. */
const patienceMs = 600_000;

/** Reports each command when it ends. */
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

// Keep the beginning, which names the command, and the end, which names its object; hundreds of peers may be in between.
const abridged = (text: string): string => (text.length <= 160 ? text : `${text.slice(0, 60)} ... ${text.slice(-90)}`);
