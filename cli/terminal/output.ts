// Output to the terminal. Prints control characters as text, because an image, a drive or another device may put anything into a
// name. A command fails if its result could not be written.
import type { Writable } from "node:stream";
import { errnoOf, HamletError } from "../../system/error.ts";
import { printable, printableLines } from "../../system/printable.ts";

export type Output = {
  /** Prints each as one line, whatever it contains. JSON on one line stays the same JSON. */
  print(...lines: string[]): void;
  /** Resolves when everything is written. Throws `output.failed`, but not if the reader closed the pipe (`| head`). */
  written(): Promise<void>;
  /** Aborted when the reader has closed the pipe. */
  unread: AbortSignal;
};

export function makeOutput(stream: Writable = process.stdout): Output {
  let failure: unknown;
  let last: Promise<void> = Promise.resolve();
  const unread = new AbortController();
  const keepFailure = (error: unknown) => {
    failure ??= error ?? undefined;
    if (errnoOf(error) === "EPIPE") unread.abort();
  };
  stream.on("error", keepFailure);
  return {
    unread: unread.signal,
    print(...lines) {
      last = new Promise((resolve) => {
        stream.write(lines.map((line) => `${printable(line)}\n`).join(""), (error) => {
          keepFailure(error);
          resolve();
        });
      });
    },
    async written() {
      await last;
      if (failure === undefined || errnoOf(failure) === "EPIPE") return;
      throw new HamletError("output.failed", "could not write the result to stdout", {
        hint: "check where stdout leads to: is the disk full?",
        cause: failure,
      });
    },
  };
}

/** Prints a message for people to stderr; its further lines are marked as part of it. */
export function note(message: string): void {
  for (const line of printableLines(message)) console.error(line);
}

/** Indented JSON, as lines to print. */
export const jsonLines = (value: unknown): string[] => JSON.stringify(value, null, 2).split("\n");
