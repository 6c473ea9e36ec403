// Asks for confirmation before something is lost. Only the expected word continues; without a terminal --yes is needed.
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { HamletError } from "../../system/error.ts";
import { printable } from "../../system/printable.ts";
import { type Command, usageError } from "./command.ts";

export type Question = {
  /** Shown with the question, and in the error if nobody can be asked. */
  lost: string;
  question: string;
  /** The only answer that continues. */
  answer: string;
  /** The message after any other answer. */
  otherwise: string;
  /** Why nobody can be asked although there is a terminal. */
  silentBecause?: string | undefined;
};

/** Where the question is asked. */
export type Terminal = { isThere: boolean; ask(question: string): Promise<string> };

/** Throws `answer.no` (exit code 3), or `usage.invalid` (2) if nobody can be asked. */
export async function confirm(
  command: Command,
  wanted: Question,
  terminal = terminalOf(process.stdin, process.stderr),
): Promise<void> {
  const { lost, question, answer, otherwise, silentBecause } = wanted;
  if (silentBecause !== undefined || !terminal.isThere) {
    const why = silentBecause ?? "there is no terminal to ask on";
    throw usageError(command, `${why}: --yes is missing. ${lost}`);
  }
  if ((await terminal.ask(printable(`${lost} ${question}: `))).trim() === answer) return;
  throw new HamletError("answer.no", otherwise, { hint: `only the answer '${answer}' continues`, exitCode: 3 });
}

type Stream<T> = T & { isTTY?: boolean };

export function terminalOf(input: Stream<NodeJS.ReadableStream>, output: Stream<NodeJS.WritableStream>): Terminal {
  return {
    isThere: input.isTTY === true && output.isTTY === true,
    async ask(question) {
      const asking = createInterface({ input, output });
      // Ctrl-C and Ctrl-D close it without an answer.
      const closed = once(asking, "close").then(() => "");
      try {
        return await Promise.race([asking.question(question).catch(() => ""), closed]);
      } finally {
        asking.close();
      }
    },
  };
}
