// The way to stdout. A result that could not be written is no result: the command then fails, it does not end well with nothing said.
import type { Writable } from "node:stream";
import { errnoOf, HamletError } from "../system/error.ts";

export type Output = {
  print(line: string): void;
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
    print(line) {
      last = new Promise((resolve) => {
        stream.write(`${line}\n`, (error) => {
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
