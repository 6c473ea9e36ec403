// Completion as people meet it: each shell loads its script and completes a line.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { completedCommands } from "../../../cli/commands/help/complete.ts";
import { bashCompletion } from "../../../cli/commands/help/shells/bash.ts";
import { fishCompletion } from "../../../cli/commands/help/shells/fish.ts";
import { zshCompletion } from "../../../cli/commands/help/shells/zsh.ts";
import { commands } from "../../../cli/commands.ts";
import { lacks } from "../../lacks.ts";

let folder: string;
const scriptOf = (shell: string) => join(folder, `hamlet.${shell}`);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-completion-"));
  const all = await completedCommands(commands);
  writeFileSync(scriptOf("bash"), bashCompletion(all));
  writeFileSync(scriptOf("zsh"), zshCompletion(all));
  writeFileSync(scriptOf("fish"), fishCompletion(all));
  writeFileSync(join(folder, "attic.img"), "");
});
afterAll(() => rmSync(folder, { recursive: true }));

const output = (...[file, ...args]: [string, ...string[]]): string =>
  execFileSync(file, args, {
    cwd: folder,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], HOME: folder, TERM: "dumb" },
    stdio: ["ignore", "pipe", "pipe"],
  });

/** What a line's last word, which is begun, may become. */
const lines: [line: string, offered: string[]][] = [
  ["hamlet im", ["image"]],
  ["hamlet image bu", ["build"]],
  ["hamlet image build --b", ["--base", "--board"]],
  ["hamlet image build --board rpi", ["rpi3", "rpi4", "rpi5"]],
  ["hamlet image build -o out --base n", ["nixos"]],
  ["hamlet explain hello.r", ["hello.refused"]],
  ["hamlet completion ", ["bash", "fish", "zsh"]],
];

test("bash takes the script without a complaint", () => {
  expect(output("bash", "-n", scriptOf("bash"))).toBe("");
});

test.each([...lines, ["hamlet image build --board = rpi", ["rpi3", "rpi4", "rpi5"]] as (typeof lines)[number]])(
  "bash completes: %s",
  (line, offered) => {
    const script = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hamlet; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const said = output("bash", "--norc", "-c", script, "bash", scriptOf("bash"), ...line.split(" "));
    expect(said.trim().split("\n").sort()).toEqual(offered);
  },
);

test("bash leaves paths to itself", () => {
  expect(output("bash", "--norc", "-c", `source "$1"; complete -p hamlet`, "bash", scriptOf("bash"))).toBe(
    "complete -o default -F _hamlet hamlet\n",
  );
});

test.skipIf(lacks("fish")).each([...lines, ["hamlet flash at", ["attic.img"]] as (typeof lines)[number]])(
  "fish completes: %s",
  (line, offered) => {
    const said = output("fish", "--no-config", "-c", `source ${scriptOf("fish")}; complete -C '${line}'`);
    const words = said
      .trim()
      .split("\n")
      .map((one) => one.split("\t")[0]);
    expect(words.sort()).toEqual(offered);
  },
);

// In a terminal of its own: Tab, then the line as it has become.
const typeInZsh = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; source $1; print REA''DY"
zpty -r -m shell out '*READY*'
zpty -w -n shell "$2"$'\\t\\x01print -r R=\\x05=END\\n'
zpty -r -m shell out $'*\\nR=*=END*'
print -r -- "$out"`;

test.skipIf(lacks("zsh")).each([
  ["hamlet im", "hamlet image"],
  ["hamlet image bu", "hamlet image build"],
  ["hamlet image build --board v", "hamlet image build --board virt-arm64"],
  ["hamlet image build --board=n", "hamlet image build --board=nuc"],
  ["hamlet explain hello.r", "hamlet explain hello.refused"],
  ["hamlet flash --li", "hamlet flash --list"],
  ["hamlet flash at", "hamlet flash attic.img"],
])("zsh completes: %s", (line, completed) => {
  const said = output("zsh", "-f", "-c", typeInZsh, "zsh", scriptOf("zsh"), line);
  expect(/^R=(.*)=END\r?$/m.exec(said)?.[1]).toBe(completed);
});
