#!/usr/bin/env node
// The bin: finds the command in the table, runs it, and turns an error into a line for people and an exit code.
// Exit codes: 0 done, 1 failed, 2 used wrongly, 3 refused because it would do harm, 4 rolled back.
import nodeModule from "node:module";
import { join } from "node:path";
import { inspect } from "node:util";
import packageJson from "../package.json" with { type: "json" };
import { switchOf } from "../system/environment.ts";
import { coded, describeError, HamletError } from "../system/error.ts";
import { cacheFolder } from "../system/paths.ts";
import { makeProgress } from "../system/progress.ts";
import { unitCommands } from "./commands/units.ts";
import { commands } from "./commands.ts";
import { helpText, parseInput } from "./terminal/command.ts";
import { makeOutput, note } from "./terminal/output.ts";
import { unknownVariables } from "./terminal/unknown-variables.ts";

// Compiling a command's imports takes longer than most commands, so keep the result. A cache that cannot be written is ignored.
// Through the default export, because an older Node, which lacks this function, must get as far as saying that it is too old.
nodeModule.enableCompileCache(join(cacheFolder(), "compiled"));
const runnable = { ...commands, ...unitCommands };
const output = makeOutput();
process.exitCode = await main(process.argv.slice(2));
try {
  await output.written();
} catch (error) {
  note(`hamlet: ${describeError(error)}`);
  process.exitCode ||= 1;
}

async function main(argv: string[]): Promise<number> {
  if (argv[0] === "--version" || argv[0] === "-v") return print([packageJson.version], 0);
  if (argv[0] === "help") return main([...argv.slice(1), "--help"]);
  const name = findCommand(argv);
  if (name === undefined) {
    const asked = argv.filter((word) => !word.startsWith("-")).join(" ");
    const help = await overview(asked);
    if (argv.length === 0 || argv.includes("--help") || argv.includes("-h")) return print(help, 0);
    note(`hamlet: there is no command '${asked || argv[0]}'`);
    for (const line of ["", ...help]) note(line);
    return 2;
  }
  const command = await runnable[name]!();
  const rest = argv.slice(name.split(" ").length);
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (own.includes("--help") || own.includes("-h")) return print(helpText(command).split("\n"), 0);
  const progress = makeProgress();
  let isDebugging = false;
  let variables: string[] = [];
  try {
    isDebugging = switchOf(process.env, "HAMLET_DEBUG") ?? false;
    const input = parseInput(command, rest, process.env);
    variables = input.variables ?? [];
    for (const variable of await unknownVariables(command, process.env)) {
      note(`hamlet: ${variable} is set, but no command reads it (see hamlet ${name} --help)`);
    }
    return (
      (await command.run(input, {
        print: output.print,
        note,
        progress,
      })) ?? 0
    );
  } catch (thrown) {
    progress.end();
    const error = coded(thrown);
    if (!(error instanceof HamletError) || isDebugging) note(inspect(error));
    note(`hamlet: ${describeError(error)}`);
    // Users easily forget values that they did not type just now.
    if (error instanceof HamletError && error.code === "usage.invalid" && variables.length > 0)
      note(`hamlet: the environment sets ${variables.join(", ")}`);
    return error instanceof HamletError ? error.exitCode : 1;
  }
}

function print(lines: string[], exitCode: number): number {
  output.print(...lines);
  return exitCode;
}

/** The command with the longest name that `argv` begins with. */
function findCommand(argv: string[]): string | undefined {
  const matching = Object.keys(runnable).filter((name) => name.split(" ").every((word, index) => argv[index] === word));
  return matching.sort((a, b) => b.length - a.length)[0];
}

async function overview(asked: string): Promise<string[]> {
  const names = Object.keys(commands);
  const group = names.filter((name) => name.startsWith(`${asked} `));
  const shown = group.length > 0 ? group : names;
  const width = Math.max(...shown.map((name) => name.length));
  const lines = shown.map(async (name) => `  ${name.padEnd(width)}  ${(await commands[name]!()).summary}`);
  return [
    "hamlet: private neighborhoods of Raspberry Pis and NUCs",
    "",
    "Usage: hamlet <command> [options]      hamlet <command> --help",
    "",
    ...(await Promise.all(lines)),
  ];
}
