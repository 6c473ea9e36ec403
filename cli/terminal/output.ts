// The way to the terminal: what is shown is text, whatever an image, a drive or another device has put into a name. And a result that could not be written is no result: the command then fails, it does not end well with nothing said.
import type { Writable } from "node:stream";
import { errnoOf, HamletError } from "../../system/error.ts";
import { printable, printableLines } from "../../system/printable.ts";

export type Output = {
  /** Each is one line, whatever it holds; so is JSON on one line, which stays the same JSON. */
  print(...lines: string[]): void;
  /** Resolves when all of it is written. Throws `output.failed`; a reader that wants no more (`| head`) is no failure. */
  written(): Promise<void>;
};

export function makeOutput(stream: Writable = process.stdout): Output {
  let failure: unknown;
  let last: Promise<void> = Promise.resolve();
  const heed = (error: unknown) => {
    failure ??= error ?? undefined;
  };
  stream.on("error", heed);
  return {
    print(...lines) {
      last = new Promise((resolve) => {
        stream.write(lines.map((line) => `${printable(line)}\n`).join(""), (error) => {
          heed(error);
          resolve();
        });
      });
    },
    async written() {
      await last;
      if (failure === undefined || errnoOf(failure) === "EPIPE") return;
      throw new HamletError("output.failed", "the result could not be written to where it should go", {
        hint: "look at what stdout leads to: is the disk full?",
        cause: failure,
      });
    },
  };
}

/** The way to stderr, for what people should know; the lines of one message are seen to be one. */
export function note(message: string): void {
  for (const line of printableLines(message)) console.error(line);
}

/** JSON for people, as lines to print. */
export const jsonLines = (value: unknown): string[] => JSON.stringify(value, null, 2).split("\n");
