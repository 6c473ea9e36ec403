#!/usr/bin/env node
// The bin: finds the command in the table, runs it, and turns an error into a line for people and an exit code.
// Exit codes: 0 done, 1 failed, 2 used wrongly, 3 refused because it would do harm, 4 rolled back.
import packageJson from "../package.json" with { type: "json" };
import { coded, describeError, HamletError } from "../system/error.ts";
import { makeProgress } from "../system/progress.ts";
import { type Command, helpText, nameOf, parseInput } from "./command.ts";
import { commands } from "./commands.ts";

const words = process.argv.slice(2);
process.exitCode = await main(words);

async function main(argv: string[]): Promise<number> {
  const loaded = commands;
  if (argv[0] === "--version" || argv[0] === "-v") return print(packageJson.version, 0);
  if (argv[0] === "help") return main([...argv.slice(1), "--help"]);
  const found = findCommand(loaded, argv);
  if (!found) {
    const asked = argv.filter((word) => !word.startsWith("-")).join(" ");
    const help = overview(loaded, asked);
    if (argv.length === 0 || argv.includes("--help") || argv.includes("-h")) return print(help, 0);
    console.error(`hamlet: there is no command '${asked || argv[0]}'\n\n${help}`);
    return 2;
  }
  const [command, rest] = found;
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (own.includes("--help") || own.includes("-h")) return print(helpText(command), 0);
  const progress = makeProgress();
  try {
    const input = parseInput(command, rest, process.env);
    return (
      (await command.run(input, {
        print: (line) => console.log(line),
        note: (line) => console.error(line),
        progress,
      })) ?? 0
    );
  } catch (thrown) {
    progress.end();
    const error = coded(thrown);
    if (!(error instanceof HamletError) || process.env["HAMLET_DEBUG"]) console.error(error);
    console.error(`hamlet: ${describeError(error)}`);
    return error instanceof HamletError ? error.exitCode : 1;
  }
}

function print(text: string, exitCode: number): number {
  console.log(text);
  return exitCode;
}

/** The command whose name is the longest beginning of `argv`. */
function findCommand(all: Command[], argv: string[]): [Command, string[]] | undefined {
  const matching = all.filter((command) => {
    const name = nameOf(command).split(" ");
    return name.every((word, index) => argv[index] === word);
  });
  const best = matching.sort((a, b) => nameOf(b).length - nameOf(a).length)[0];
  return best && [best, argv.slice(nameOf(best).split(" ").length)];
}

function overview(all: Command[], asked: string): string {
  const group = all.filter((command) => nameOf(command).startsWith(`${asked} `));
  const shown = group.length > 0 ? group : all;
  const width = Math.max(...shown.map((command) => nameOf(command).length));
  return [
    "hamlet: private neighborhoods of Raspberry Pis and NUCs",
    "",
    "Usage: hamlet <command> [options]      hamlet <command> --help",
    "",
    ...shown.map((command) => `  ${nameOf(command).padEnd(width)}  ${command.summary}`),
  ].join("\n");
}
