// Ctrl-C, a closed terminal or a polite kill: a long command hears of it here and ends what it has begun.
import { constants } from "node:os";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** `exitCode` is the shell's for the signal that came first: 130 for Ctrl-C. */
export type Stop = { signal: AbortSignal; exitCode(): number };

/** From now on these signals end nothing by themselves. */
export function hearStop(): Stop {
  const over = new AbortController();
  let number = 0;
  // Ctrl-C comes twice under npm, and more often from the impatient: once is enough, the rest changes nothing.
  for (const name of signals) {
    process.on(name, () => {
      number ||= constants.signals[name];
      over.abort();
    });
  }
  // A closed terminal takes no more lines.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  return { signal: over.signal, exitCode: () => 128 + number };
}
