// Lets a long command stop in order on Ctrl-C, SIGTERM or a closed terminal.
import { constants } from "node:os";
import { HamletError } from "../../system/error.ts";
import type { Context } from "./command.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** `exitCode` is what shells give for the first signal: 130 for Ctrl-C. */
export type Stop = { signal: AbortSignal; exitCode(): number };

/**
 * Runs work that ends by itself when it is stopped and then throws an error that says what it left behind: prints that error in a
 * line and returns the signal's exit code.
 */
export async function untilStopped(
  { note, progress }: Pick<Context, "note" | "progress">,
  work: (signal: AbortSignal) => Promise<number>,
  { signal, exitCode } = catchStop(),
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

/** From now on these signals no longer end the process by themselves. */
export function catchStop(): Stop {
  const over = new AbortController();
  let number = 0;
  // Ctrl-C comes twice under npm, and more often from impatient users: only the first counts.
  for (const name of signals) {
    process.on(name, () => {
      number ||= constants.signals[name];
      over.abort();
    });
  }
  // Ignore errors of a closed terminal.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  return { signal: over.signal, exitCode: () => 128 + number };
}
