// Derives from the command table what can be typed where. The shells' completion scripts are generated from it.
import { type Command, common, type Option } from "../../terminal/command.ts";

export type CommandTable = Record<string, () => Promise<Command>>;
/** What a value may be: one of these, a path, or something that only the user knows. */
export type Values = { kind: "choice"; choices: readonly string[] } | { kind: "path" } | { kind: "free" };
export type CompletedOption = { name: string; short?: string; describe: string; values?: Values };
export type CompletedCommand = { name: string; summary: string; options: CompletedOption[]; words: Values };
/** A word that may follow `before`: the next part of a command's name. */
export type NextWord = { before: string; word: string; summary: string };

export async function completedCommands(commands: CommandTable): Promise<CompletedCommand[]> {
  const loaded = Object.entries(commands).map(async ([name, load]) => completed(name, await load()));
  return Promise.all(loaded);
}

const completed = (name: string, command: Command): CompletedCommand => ({
  name,
  summary: command.summary,
  options: Object.entries({ ...command.options, ...common }).map(([option, facts]) => ({
    name: option,
    ...(facts.short && { short: facts.short }),
    describe: facts.describe,
    ...(facts.type === "string" && { values: valuesOf(facts) }),
  })),
  words: wordsOf(command),
});

const paths = /^(file|folder|copy|sheet)$/;

function valuesOf({ argument = "", choices }: Option): Values {
  if (choices) return { kind: "choice", choices };
  if (argument.includes("|")) return { kind: "choice", choices: argument.split("|") };
  return { kind: paths.test(argument) ? "path" : "free" };
}

function wordsOf({ usage, choices }: Command): Values {
  if (choices) return { kind: "choice", choices: choices() };
  const places = usage.replaceAll(/-{1,2}[a-z-]+ <[^>]*>/g, "");
  return { kind: /<(image|folder|file|a)\b/.test(places) ? "path" : "free" };
}

/** The words that can follow each beginning of a command's name. */
export function nextWords(all: readonly CompletedCommand[]): NextWord[] {
  const found = new Map<string, NextWord>();
  for (const { name, summary } of all) {
    const parts = name.split(" ");
    for (const [index, word] of parts.entries()) {
      const before = parts.slice(0, index).join(" ");
      const path = [...parts.slice(0, index), word].join(" ");
      const isGroup = index < parts.length - 1;
      if (!found.has(path)) found.set(path, { before, word, summary: isGroup ? `${word} commands` : summary });
    }
  }
  return [...found.values()];
}
