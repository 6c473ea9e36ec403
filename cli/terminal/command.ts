// The type of a command, and the parser of its command line.
import { parseArgs } from "node:util";
import { settingOf, switchOf } from "../../system/environment.ts";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { dashedWords, endOfWords } from "./words.ts";

export type Option = {
  type: "string" | "boolean";
  short?: string;
  multiple?: boolean;
  default?: string | boolean;
  /** This option replaces what the command does: no words and no other options but these may be given with it. */
  aloneBut?: readonly string[];
  /** Options that would do nothing beside this one. */
  excludes?: readonly string[];
  /** What the option does, for `--help`; `argument` names its value there, or lists all values as `a|b`. */
  describe: string;
  argument?: string;
  /** All values, if `argument` does not list them. */
  choices?: readonly string[];
};
export type Values = Record<string, string | boolean | string[] | undefined>;
export type Input = {
  positionals: string[];
  values: Values;
  /** Another program's command line, untouched. */
  rest: string[];
  /** The environment variables that gave a value. */
  variables?: string[];
};
export type Context = {
  /** Prints the command's result to stdout. */
  print(...lines: string[]): void;
  /** Prints a line to stderr that a person should read beside the result. */
  note(line: string): void;
  progress: Progress;
  /** Aborted when nobody reads what is printed any more (`| head`): a command that only watches ends then. */
  unread?: AbortSignal;
};
export type Command = {
  /** As typed, without `hamlet`: `token create [--expires 7d]`. From `<command...>` on, all words are another program's. */
  usage: string;
  summary: string;
  example: string;
  /** Another paragraph for `--help`, if needed. */
  details?: string;
  options?: Record<string, Option>;
  /** All words that the command takes, if they are a closed set. */
  choices?: () => readonly string[];
  /** A word such as `-Abc1` is none of its options: the ids of rollouts that older releases started may begin so. */
  takesDashedWords?: boolean;
  /** Resolves to the exit code, 0 by default. */
  run(input: Input, context: Context): Promise<number | undefined>;
};

export const common: Record<string, Option> = {
  help: { type: "boolean", short: "h", describe: "show this help" },
};

/** The words that select a command: "token create". */
export const nameOf = ({ usage }: Pick<Command, "usage">): string =>
  /^[a-z-]+( [a-z][a-z-]*)*(?= |$)/.exec(usage)?.[0] ?? usage;

const program = "<command...>";

/** The number of words that `usage` takes: each `<...>` before another program that is not an option's value; `<image>...` takes any number. */
function countPlaces(command: Command): number {
  const own = command.usage.slice(nameOf(command).length).split(program)[0] ?? "";
  if (own.includes(">...")) return Number.POSITIVE_INFINITY;
  return own.replaceAll(/-{1,2}[a-z-]+ <[^>]*>/g, "").match(/<[^>]*>/g)?.length ?? 0;
}

/** The environment variable that stands for an option. */
export const variableOf = (option: string): string => `HAMLET_${option.toUpperCase().replaceAll("-", "_")}`;

/** The words of the command itself, and those of the program that it runs, if it runs one. */
export function splitWords(command: Command, argv: readonly string[]): [own: string[], program: string[]] {
  const runsProgram = command.usage.includes(program);
  const end = runsProgram ? endOfWords(argv, bareOptions(command), countPlaces(command)) : argv.length;
  return [argv.slice(0, end), argv.slice(end)];
}

/** Options from argv, then from `HAMLET_<FLAG>`, then their defaults. Throws `usage.invalid`, exit code 2. */
export function parseInput(command: Command, argv: string[], env: NodeJS.ProcessEnv): Input {
  const [own, rest] = splitWords(command, argv);
  const options = { ...common, ...command.options };
  const { values: typed, positionals } = parseWords(command, options, own);
  refuseCompany(command, typed as Values, positionals);
  const values = { ...typed } as Values;
  const variables: string[] = [];
  for (const [name, option] of Object.entries(options)) {
    if (name !== "help" && values[name] === undefined) {
      values[name] = fromEnvironment(option, variableOf(name), env);
      if (values[name] !== undefined) variables.push(variableOf(name));
    }
    values[name] ??= option.default;
  }
  const surplus = positionals[countPlaces(command)];
  if (surplus !== undefined) throw usageError(command, `unexpected argument '${surplus}'`);
  return { positionals, values, rest, variables };
}

const bareOptions = (command: Command) =>
  Object.fromEntries(
    Object.entries({ ...common, ...command.options }).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short && { short }), ...(multiple && { multiple }) },
    ]),
  );

function parseWords(command: Command, options: Record<string, Option>, words: string[]) {
  const bare = bareOptions(command);
  const dashed = command.takesDashedWords ? dashedWords(words, bare) : new Set();
  // parseArgs takes a lone dash for a word.
  const args = words.map((word, index) => (dashed.has(index) ? "-" : word));
  try {
    const { values, tokens } = parseArgs({ args, options: bare, allowPositionals: true, strict: true, tokens: true });
    refuseRepetition(command, options, tokens);
    return { values, positionals: tokens.flatMap(({ kind, index }) => (kind === "positional" ? [words[index]!] : [])) };
  } catch (cause) {
    if (cause instanceof HamletError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw usageError(command, message.split(/\.\s/)[0]!, dashAdvice(command, message));
  }
}

/** How to give a value that begins with a dash, if somebody seems to have tried. */
function dashAdvice(command: Command, message: string): string | undefined {
  const [, option] = /argument is ambiguous.*'(--[\w-]+)=-XYZ'/s.exec(message) ?? [];
  if (option !== undefined) return `a value that begins with - is given as ${option}=-...`;
  const takesWords = countPlaces(command) > 0 || command.usage.includes(program);
  return takesWords && /^Unknown option/.test(message) ? "put -- before an argument that begins with -" : undefined;
}

/** Refuses an option given twice: only one value could count, and the user would not know which. */
function refuseRepetition(
  command: Command,
  options: Record<string, Option>,
  tokens: readonly { kind: string; name?: string }[],
): void {
  const names = tokens.flatMap(({ kind, name }) => (kind === "option" && name !== undefined ? [name] : []));
  const repeated = names.find(
    (name, index) => options[name]?.type === "string" && !options[name].multiple && names.indexOf(name) < index,
  );
  if (repeated !== undefined) throw usageError(command, `--${repeated} is given more than once`);
}

function refuseCompany(command: Command, typed: Values, positionals: readonly string[]): void {
  for (const [name, { aloneBut, excludes = [] }] of Object.entries(command.options ?? {})) {
    if (typed[name] === undefined) continue;
    const idle = excludes.find((one) => typed[one] !== undefined);
    if (idle !== undefined) throw usageError(command, `--${idle} cannot be used with --${name}`);
    if (!aloneBut) continue;
    const other = Object.keys(typed).find((one) => one !== name && one !== "help" && !aloneBut.includes(one));
    const company = other === undefined ? positionals[0] && `'${positionals[0]}'` : `--${other}`;
    if (company) throw usageError(command, `${company} cannot be used with --${name}`);
  }
}

/** A variable holds one value a line, because a path may contain any other character. */
function fromEnvironment({ type, multiple }: Option, variable: string, env: NodeJS.ProcessEnv): Values[string] {
  if (type === "boolean") return switchOf(env, variable);
  const value = settingOf(env, variable);
  return multiple ? value?.split(/\r?\n/).filter((line) => line.trim() !== "") : value;
}

export const usageError = (command: Command, message: string, advice?: string): HamletError =>
  new HamletError("usage.invalid", message, {
    hint: `usage: hamlet ${command.usage}${advice === undefined ? "" : `; ${advice}`}`,
    exitCode: 2,
  });

/** What `explainIssues` says, with each field under the name of its option; `renamed` has those that are called otherwise. */
export const byOption = (issues: string, renamed: Record<string, string> = {}): string =>
  issues
    .split("; ")
    .map((issue) => issue.replace(/^(\w+)(?:\.\d+)?: /, (_, field: string) => `--${renamed[field] ?? field}: `))
    .join("; ");

/** The positional at `index`, or a usage error that names what is missing. */
export function required(command: Command, input: Input, index: number, what: string): string {
  const value = input.positionals[index];
  if (value === undefined || value === "") throw usageError(command, `${what} is missing`);
  return value;
}

/** A string option's value, or undefined. */
export function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

export function helpText(command: Command): string {
  const rows = Object.entries({ ...command.options, ...common }).map(([name, option]): [string, string] => [
    `${option.short ? `-${option.short}, ` : "    "}--${name}${option.type === "string" ? ` <${option.argument ?? "text"}>` : ""}`,
    `${option.describe}${option.default !== undefined ? ` (default ${option.default})` : ""}`,
  ]);
  const width = Math.max(...rows.map(([left]) => left.length));
  const isAnyRepeated = Object.values(command.options ?? {}).some(({ multiple }) => multiple);
  return [
    `hamlet ${command.usage}`,
    "",
    `  ${command.summary}`,
    ...(command.details
      ? [
          "",
          ...command.details
            .trim()
            .split("\n")
            .map((line) => `  ${line.trim()}`),
        ]
      : []),
    "",
    `Options (each also as HAMLET_<NAME> in the environment${isAnyRepeated ? "; a repeatable one takes one value a line" : ""}):`,
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
    "",
    "Example:",
    `  ${command.example}`,
  ].join("\n");
}
