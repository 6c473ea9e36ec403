// `cli/commands.md`: every command with its options, from the command table.
import { commands } from "../../commands.ts";
import { type Command, nameOf } from "../../terminal/command.ts";

export async function commandsDocument(): Promise<string> {
  const all = await Promise.all(Object.values(commands).map((load) => load()));
  return [
    "# Commands",
    "",
    "Every command of `hamlet`, as `hamlet <command> --help` prints it. Written by `npm run docs`.",
    "",
    "Each option can also be set as `HAMLET_<NAME>` in the environment, such as `HAMLET_OUT` for `--out`.",
    "Exit codes: 0 done, 1 failed, 2 used wrongly, 3 refused because it would do harm, 4 rolled back.",
    "",
    ...all.flatMap(sectionOf),
  ].join("\n");
}

function sectionOf({ usage, summary, details, example, options = {} }: Command): string[] {
  const rows = Object.entries(options).map(([name, { type, short, argument, describe, default: value }]) => {
    const flag = `${short ? `-${short}, ` : ""}--${name}${type === "string" ? ` <${argument ?? "text"}>` : ""}`;
    return `| \`${cell(flag)}\` | ${cell(describe)}${value === undefined ? "" : ` (default ${value})`} |`;
  });
  return [
    `## ${nameOf({ usage })}`,
    "",
    `\`hamlet ${usage}\`: ${summary}.`,
    "",
    ...(details
      ? [
          "```text",
          ...details
            .trim()
            .split("\n")
            .map((line) => line.trim()),
          "```",
          "",
        ]
      : []),
    ...(rows.length > 0 ? ["| option | meaning |", "|---|---|", ...rows, ""] : []),
    "```sh",
    example,
    "```",
    "",
  ];
}

const cell = (text: string): string => text.replaceAll("|", "\\|");
