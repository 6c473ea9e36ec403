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
import { again } from "./terminal/again.ts";
import { helpText, parseInput, splitWords, type Values } from "./terminal/command.ts";
import { commandIn, meantBy } from "./terminal/meant.ts";
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
  const name = commandIn(argv, Object.keys(runnable));
  if (name === undefined) {
    const asked = argv.filter((word) => !word.startsWith("-")).join(" ");
    const help = await overview(asked);
    const isGroup = asked === "" || Object.keys(commands).some((one) => one.startsWith(`${asked} `));
    if (argv.length === 0 || (isGroup && (argv.includes("--help") || argv.includes("-h")))) return print(help, 0);
    const meant = meantBy(argv, Object.keys(commands));
    note(`hamlet: ${meant.why}`);
    if (meant.command !== undefined) note(`hamlet: did you mean: hamlet ${meant.command}`);
    else for (const line of ["", ...help]) note(line);
    return 2;
  }
  const command = await runnable[name]!();
  const rest = argv.slice(name.split(" ").length);
  const [words] = splitWords(command, rest);
  const own = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  if (own.includes("--help") || own.includes("-h")) return print(helpText(command).split("\n"), 0);
  const progress = makeProgress();
  let isDebugging = false;
  let variables: string[] = [];
  let values: Values = {};
  try {
    isDebugging = switchOf(process.env, "HAMLET_DEBUG") ?? false;
    const input = parseInput(command, rest, process.env);
    variables = input.variables ?? [];
    values = input.values;
    for (const variable of await unknownVariables(command, process.env)) {
      note(`hamlet: ${variable} is set, but no command reads it (see hamlet ${name} --help)`);
    }
    return (
      (await command.run(input, {
        print: output.print,
        unread: output.unread,
        note,
        progress,
      })) ?? 0
    );
  } catch (thrown) {
    progress.end();
    const error = advising(coded(thrown), values);
    if (!(error instanceof HamletError) || isDebugging) note(inspect(error));
    note(`hamlet: ${describeError(error)}`);
    // Users easily forget values that they did not type just now.
    if (error instanceof HamletError && error.code === "usage.invalid" && variables.length > 0)
      note(`hamlet: the environment sets ${variables.join(", ")}`);
    return error instanceof HamletError ? error.exitCode : 1;
  }
}

/** The same error, whose hint says what this command was told. */
function advising(error: unknown, values: Values): unknown {
  // A hint about usage shows the command's own form.
  if (!(error instanceof HamletError) || error.hint === undefined || error.code === "usage.invalid") return error;
  const { code, message, cause, exitCode } = error;
  const advised = new HamletError(code, message, { hint: again(error.hint, values), cause, exitCode });
  return Object.assign(advised, { stack: error.stack });
}

function print(lines: string[], exitCode: number): number {
  output.print(...lines);
  return exitCode;
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
