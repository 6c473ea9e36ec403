// Every command that the product tells people to type exists, and so does each of its options.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commands } from "../../cli/commands.ts";
import { parseInput } from "../../cli/terminal/command.ts";

const root = join(import.meta.dirname, "../..");
const rooms = ["agent", "cli", "dashboard", "image", "nix", "ota", "provisioning", "system", "README.md"];

/**
 * The command that a text tells people to type: `hamlet` and the words after it that may belong to a command line. It ends where
 * prose follows ("hamlet lab status shows it"), at the first word that no command has.
 */
function commandsIn(text: string): string[][] {
  const found = [
    ...text.matchAll(
      /\bhamlet ((?:[a-z]+(?= |[`'".,;:)]|$) ?)+(?:(?:--?[a-z][\w-]*|<[^>]*>|\$\{[^}]*\}|[\w./@-]+) ?)*)/gm,
    ),
  ];
  return found.map(([, words = ""]) =>
    words
      .split(/\.(?:\s|$)/)[0]!
      .trim()
      .split(/\s+/),
  );
}

const nameIn = (words: string[]): string | undefined =>
  Object.keys(commands)
    .filter((name) => name.split(" ").every((word, index) => words[index] === word))
    .toSorted((a, b) => b.length - a.length)[0];

/** Advice is text in backquotes, after a colon, in a hint, or on a line of its own in the README. */
function adviceIn(file: string): string[][] {
  const text = readFileSync(join(root, file), "utf8");
  const code = file.endsWith(".md") ? text : text.replaceAll(/^\s*(\/\/|\/?\*|#).*$/gm, "");
  return commandsIn(code).filter((words) => nameIn(words) !== undefined || groups.has(words[0]!));
}
const groups = new Set(Object.keys(commands).flatMap((name) => (name.includes(" ") ? [name.split(" ")[0]!] : [])));

test("every command that the product names exists, with the options named", async () => {
  const files = execFileSync("git", ["ls-files", "--", ...rooms], { cwd: root, encoding: "utf8" })
    .trim()
    .split("\n")
    .filter((file) => /\.(tsx?|md|nix|sh|service|html)$|\/tell$/.test(file));
  const wrong: string[] = [];
  let seen = 0;
  for (const file of files) {
    for (const words of adviceIn(file)) {
      seen++;
      const name = nameIn(words);
      const told = `${file}: hamlet ${words.join(" ")}`;
      if (name === undefined) {
        wrong.push(`${told}: no such command`);
        continue;
      }
      const command = await commands[name]!();
      const flags = words.filter(
        (word) => word.startsWith("--") && word !== "--" && !words.slice(0, words.indexOf(word)).includes("--"),
      );
      for (const flag of flags) {
        const option = { ...command.options, help: {} }[flag.slice(2)];
        if (!option) wrong.push(`${told}: it has no ${flag}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(seen).toBeGreaterThan(100);
});

test("every command's example is valid", async () => {
  for (const [name, load] of Object.entries(commands)) {
    const command = await load();
    const typed = command.example.slice(command.example.indexOf(`hamlet ${name}`)).match(/"[^"]*"|\S+/g) ?? [];
    const words = typed.map((word) => word.replaceAll('"', "")).slice(name.split(" ").length + 1);
    expect(typed.join(" ")).toMatch(new RegExp(`^hamlet ${name}( |$)`));
    expect(() => parseInput(command, words, {})).not.toThrow();
  }
});

/** The sets of options of which a command needs one whole set, from its usage: `init <folder> --name <name> | --recover <sheet>`. */
function needed(usage: string): string[][] {
  const bare = usage.replaceAll(/\[[^\]]*\]/g, "");
  return bare.split(" | ").map((one) => one.match(/(?<= )--?[a-z][a-z-]*/g) ?? []);
}

test("a command that people are told to type as it stands has all that it needs", async () => {
  const files = execFileSync("git", ["ls-files", "--", ...rooms.slice(0, -1)], { cwd: root, encoding: "utf8" });
  const wrong: string[] = [];
  for (const file of files
    .trim()
    .split("\n")
    .filter((one) => /\.tsx?$/.test(one))) {
    const code = readFileSync(join(root, file), "utf8").replaceAll(/^\s*(\/\/|\/?\*).*$/gm, "");
    // After a colon and up to the end of the text, or of its part, stands a whole command line.
    for (const [, line = ""] of code.matchAll(/: (hamlet [^"`;\n]+?)(?=["`;]|, (?:then|or)\b)/g)) {
      const words = line
        .replaceAll(/\$\{[^}]*\}/g, "<x>")
        .split(/\s+/)
        .slice(1);
      const name = nameIn(words);
      // "hamlet provision writes the whole file" is no command line.
      if (name === undefined || words.some((word) => /^(makes|writes|has|--help)$/.test(word))) continue;
      const { usage, options = {} } = await commands[name]!();
      const given = words.flatMap((word) => {
        const long = Object.entries(options).find(([, { short }]) => short !== undefined && word === `-${short}`)?.[0];
        return long === undefined ? [word] : [word, `--${long}`];
      });
      // A device may go without a name, and a member keeps its own.
      const lacks = (set: string[]) =>
        set.some((flag) => !given.includes(flag) && `${name} ${flag}` !== "provision --name");
      if (needed(usage).every(lacks)) wrong.push(`${file}: ${line} (usage: ${usage})`);
    }
  }
  expect(wrong).toEqual([]);
});
