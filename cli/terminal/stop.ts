// Ctrl-C, a closed terminal or a polite kill: a long command hears of it here and ends what it has begun.
import { constants } from "node:os";
import { HamletError } from "../../system/error.ts";
import type { Context } from "./command.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** `exitCode` is the shell's for the signal that came first: 130 for Ctrl-C. */
export type Stop = { signal: AbortSignal; exitCode(): number };

/**
 * Work that ends by itself when it is stopped, and throws what it has left behind: that is told in a line then, and the exit
 * code is the signal's.
 */
export async function untilStopped(
  { note, progress }: Pick<Context, "note" | "progress">,
  work: (signal: AbortSignal) => Promise<number>,
  { signal, exitCode } = hearStop(),
): Promise<number> {
  try {
    return await work(signal);
  } catch (error) {
    if (!signal.aborted || !(error instanceof HamletError)) throw error;
    progress.end();
    note(error.hint === undefined ? error.message : `${error.message} (${error.hint})`);
    return exitCode();
  }
}

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
