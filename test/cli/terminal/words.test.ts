// Words that begin with a dash, and the words of another program, reach the command as they were typed.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { newId } from "../../../cli/commands/rollout/named.ts";
import { commands } from "../../../cli/commands.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { dashedWords } from "../../../cli/terminal/words.ts";

const named = (name: string) => commands[name]!();
const all: Command[] = await Promise.all(Object.values(commands).map((load) => load()));
const alphabet = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
const takers = all.filter(({ usage }) => usage.includes("[<rollout>]"));

test("the id of a rollout that any release started can be typed as it is printed, with options before and after it", () => {
  expect(takers).toHaveLength(4);
  const tail = fc.array(fc.constantFrom(...alphabet), { minLength: 6, maxLength: 20 });
  const second = fc.constantFrom(...alphabet.filter((one) => one !== "-"));
  for (const first of alphabet) {
    fc.assert(
      fc.property(fc.constantFrom(...takers), second, tail, (command, next, more) => {
        const id = [first, next, ...more].join("");
        // Of these letters an id is a group of short options: one in 60,000,000.
        fc.pre(!/^-[yh]+$/.test(id));
        const around = ["--device", "attic", id, "--json", "-y"];
        expect(parseInput(command, around, {})).toMatchObject({
          ...{ positionals: [id], values: { device: "attic", json: true, yes: true } },
        });
        expect(parseInput(command, ["--json", "--", id], {}).positionals).toEqual([id]);
      }),
      { numRuns: 20 },
    );
  }
});

test("the id of a new rollout begins with a letter, whatever chance gives", () => {
  for (let first = 0; first < 256; first++) {
    expect(newId(Uint8Array.of(first, ...Array.from({ length: 15 }, () => 0xff)))).toMatch(/^[A-Za-z][\w-]{21}$/);
  }
});

test("a slip stays a slip: neither a short option that does not exist nor a long one without its dash is a word", async () => {
  const pause = await named("rollout pause");
  for (const words of [["-x"], ["-xy"], ["-json"], ["-device", "attic"], ["--jsn"], ["--abcdefg"]])
    expect(() => parseInput(pause, words, {})).toThrow(expect.objectContaining({ code: "usage.invalid", exitCode: 2 }));
  expect(() => parseInput(pause, ["--device", "-abcdefg"], {})).toThrow("ambiguous");
  expect(dashedWords(["-yabc", "-constructor", "-yy", "-o-abc"], { out: { type: "string", short: "o" } })).toEqual(
    new Set([0, 1]),
  );
  // A folder of that name would be made.
  const init = await named("init");
  expect(() => parseInput(init, ["-yes", "--name", "Elm"], {})).toThrow("Unknown option");
});

test("after -- every command takes any word as an argument", () => {
  const taking = all.filter(({ usage }) => !usage.includes("<command...>"));
  fc.assert(
    fc.property(fc.constantFrom(...taking), fc.stringMatching(/^-{1,2}[\w-]{1,12}$/), (command, word) => {
      try {
        expect(parseInput(command, ["--", word], {}).positionals).toEqual([word]);
      } catch (error) {
        // It takes no words.
        expect(error).toMatchObject({ code: "usage.invalid", message: `unexpected argument '${word}'` });
        expect(command.usage).not.toMatch(/^[a-z ]+<(?!command)/);
      }
    }),
  );
});

test("who types a word that looks like an option is told how to type it", () => {
  for (const command of all) {
    const wrong = () => parseInput(command, ["-:"], {});
    const takesWords = /^[a-z ]+\[?</.test(command.usage);
    expect(wrong).toThrow(
      expect.objectContaining({
        hint: `usage: hamlet ${command.usage}${takesWords ? "; put -- before an argument that begins with -" : ""}`,
      }),
    );
  }
});

test("who leaves out an option's value hears it in one line, and how to give a value that begins with a dash", async () => {
  const build = await named("image build");
  for (const words of [
    ["--out", "-odd"],
    ["-o", "--json"],
  ]) {
    expect(() => parseInput(build, words, {})).toThrow(
      expect.objectContaining({
        message: `Option '${words[0]}' argument is ambiguous`,
        hint: expect.stringMatching(/; a value that begins with - is given as --out=-\.\.\.$/),
      }),
    );
  }
  expect(parseInput(build, ["--out=-odd"], {}).values["out"]).toBe("-odd");
});

test.each([
  ["lab exec", ["attic", "ip", "-4", "a"], ["attic"], ["ip", "-4", "a"]],
  ["lab exec", ["attic", "--", "ip", "-4", "a"], ["attic"], ["ip", "-4", "a"]],
  ["lab exec", ["--", "attic", "ip", "-4", "a"], ["attic"], ["ip", "-4", "a"]],
  ["lab exec", ["attic", "ls", "--help", "--", "-x"], ["attic"], ["ls", "--help", "--", "-x"]],
  ["lab exec", ["attic", "--", "--odd"], ["attic"], ["--odd"]],
  ["lab exec", ["attic"], ["attic"], []],
  ["lab exec", [], [], []],
  ["lab join", ["avahi-browse", "-rtp", "--json"], [], ["avahi-browse", "-rtp", "--json"]],
  ["lab join", ["--", "avahi-browse", "-rtp"], [], ["avahi-browse", "-rtp"]],
  ["lab join", ["--"], [], []],
])("hamlet %s %j: the other program gets its own words", async (name, argv, positionals, rest) => {
  expect(parseInput(await named(name), argv, {})).toMatchObject({ positionals, rest });
});

test("words after -- are arguments if the command runs no other program", async () => {
  const flash = await named("flash");
  expect(parseInput(flash, ["--yes", "--", "-odd.img", "/dev/sdz"], {}).positionals).toEqual(["-odd.img", "/dev/sdz"]);
  expect(() => parseInput(flash, ["a.img", "/dev/sdz", "--", "more"], {})).toThrow(/unexpected argument 'more'/);
});

test("--help before another program is the command's own, and after its name the program's", () => {
  const cli = fileURLToPath(new URL("../../../cli/hamlet.ts", import.meta.url));
  const hamlet = (...words: string[]) =>
    spawnSync(process.execPath, [cli, "lab", ...words], { encoding: "utf8", env: { PATH: "", HOME: "/nonexistent" } });
  expect(hamlet("exec", "attic", "-h")).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^hamlet lab exec /),
  });
  for (const words of [
    ["exec", "attic", "ls", "--help"],
    ["join", "--", "ls", "-h"],
  ])
    expect(hamlet(...words)).toMatchObject({ status: 1, stderr: expect.stringContaining("lab.notRunning") });
});
