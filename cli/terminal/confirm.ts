// The last question before something is lost. Only the word that is asked for goes on; whoever is not there to be asked
// says --yes.
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { HamletError } from "../../system/error.ts";
import { printable } from "../../system/printable.ts";
import { type Command, usageError } from "./command.ts";

export type Question = {
  /** Told whether or not there is somebody to ask. */
  lost: string;
  question: string;
  /** The one answer that goes on. */
  answer: string;
  /** What is true after any other. */
  otherwise: string;
  /** Why there is nobody to ask though there is a terminal. */
  silentBecause?: string | undefined;
};

/** Where people are asked. */
export type Terminal = { isThere: boolean; ask(question: string): Promise<string> };

/** Throws `answer.no` (exit code 3), or `usage.invalid` (2) where nobody can be asked. */
export async function confirm(
  command: Command,
  wanted: Question,
  terminal = terminalOf(process.stdin, process.stderr),
): Promise<void> {
  const { lost, question, answer, otherwise, silentBecause } = wanted;
  if (silentBecause !== undefined || !terminal.isThere) {
    const why = silentBecause ?? "there is no terminal to ask at";
    throw usageError(command, `${why}: --yes is missing. ${lost}`);
  }
  if ((await terminal.ask(printable(`${lost} ${question}: `))).trim() === answer) return;
  throw new HamletError("answer.no", otherwise, { hint: `only the answer '${answer}' goes on`, exitCode: 3 });
}

type Stream<T> = T & { isTTY?: boolean };

export function terminalOf(input: Stream<NodeJS.ReadableStream>, output: Stream<NodeJS.WritableStream>): Terminal {
  return {
    isThere: input.isTTY === true && output.isTTY === true,
    async ask(question) {
      const asking = createInterface({ input, output });
      // Ctrl-C and Ctrl-D close it and leave the question open.
      const closed = once(asking, "close").then(() => "");
      try {
        return await Promise.race([asking.question(question).catch(() => ""), closed]);
      } finally {
        asking.close();
      }
    },
  };
}
