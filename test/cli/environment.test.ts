import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commands } from "../../cli/commands.ts";
import { type Command, parseInput, variableOf } from "../../cli/terminal/command.ts";
import { unknownVariables } from "../../cli/terminal/unknown-variables.ts";
import { wordsForNo, wordsForYes } from "../../system/environment.ts";

const all: Command[] = await Promise.all(Object.values(commands).map((load) => load()));
const optionsOf = (type: "boolean" | "string") =>
  all.flatMap((command) =>
    Object.entries(command.options ?? {})
      .filter(([, option]) => option.type === type)
      .map(([name, option]) => ({ command, name, option, variable: variableOf(name) })),
  );
const switches = optionsOf("boolean");

const blanks = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
/** A word in any case, with the blanks that a shell or a compose file may leave around it. */
const written = (words: string[]) =>
  fc
    .tuple(blanks, fc.constantFrom(...words), fc.infiniteStream(fc.boolean()), blanks)
    .map(([before, word, capitals, after]) => {
      const letters = [...word].map((letter) => (capitals.next().value ? letter.toUpperCase() : letter));
      return `${before}${letters.join("")}${after}`;
    });
const parse = ({ command, variable }: (typeof switches)[number], value: string) =>
  parseInput(command, [], { [variable]: value });

test("env-false: every flag of every command accepts each word for yes and for no, in any case", () => {
  expect(switches.length).toBeGreaterThan(30);
  fc.assert(
    fc.property(fc.constantFrom(...switches), written(wordsForYes), written(["", ...wordsForNo]), (flag, yes, no) => {
      expect(parse(flag, yes).values[flag.name]).toBe(true);
      expect(parse(flag, no).values[flag.name]).toBe(false);
    }),
  );
});

test("env-false: any other word is an error that names the variable and the words that it accepts", () => {
  const known = [...wordsForYes, ...wordsForNo];
  const other = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.constantFrom("Flase", "ja", "2", "-1", "null", "tru e", "“no”"),
  );
  fc.assert(
    fc.property(fc.constantFrom(...switches), other, (flag, value) => {
      fc.pre(value.trim() !== "" && !known.includes(value.trim().toLowerCase()));
      expect(() => parse(flag, value)).toThrow(
        expect.objectContaining({
          code: "usage.invalid",
          exitCode: 2,
          message: expect.stringMatching(new RegExp(`^${flag.variable} is '[^\\p{C}]*', which is neither`, "u")),
          hint: expect.stringMatching(/true.*false/),
        }),
      );
    }),
  );
});

test("env-false: an option on the command line makes a bad variable harmless", () => {
  for (const flag of switches) {
    const { values } = parseInput(flag.command, [`--${flag.name}`], { [flag.variable]: "maybe" });
    expect(values[flag.name]).toBe(true);
  }
});

test("env-false: a blank variable counts as unset, and one for a repeatable option has one value per line", () => {
  for (const { command, name, option, variable } of optionsOf("string")) {
    for (const blank of ["", " ", "\t\n"]) {
      expect(parseInput(command, [], { [variable]: blank }).values[name]).toBe(option.default);
    }
    const wanted = option.multiple ? ["a b", " c"] : "a b\n c\n";
    expect(parseInput(command, [], { [variable]: "a b\n c\n" }).values[name]).toEqual(wanted);
  }
});

test("env-false: a variable that no command reads is reported; one of another command is not", async () => {
  const [flash] = all.filter(({ usage }) => usage.startsWith("flash "));
  const env = { HAMLET_DRYRUN: "1", HAMLET_BOARD: "nuc", HAMLET_YES: "no", HAMLET_PASSPHRASE: "x", HAMLET_OLD: "" };
  expect(await unknownVariables(flash!, env)).toEqual(["HAMLET_DRYRUN"]);
  expect(await unknownVariables(flash!, { HAMLET_YES: "1", HOME: "/" })).toEqual([]);
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-environment-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const root = join(import.meta.dirname, "../..");
const hamlet = (argv: string[], env: Record<string, string>) =>
  promisify(execFile)(process.execPath, [join(root, "cli/hamlet.ts"), ...argv], {
    env: { HOME: folder, PATH: process.env["PATH"] ?? "", ...env },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  );

test("env-false: a bad variable, even the program's own, ends it with exit code 2 before it does anything", async () => {
  await writeFile(join(folder, "any"), "");
  const wrong = { HAMLET_YES: "perhaps" };
  const asked = await hamlet(["flash", join(folder, "any"), join(folder, "any")], wrong);
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringMatching(/^hamlet: usage.invalid: HAMLET_YES is /) });
  const debugging = await hamlet(["lab", "status", "--schema"], { HAMLET_DEBUG: "perhaps" });
  expect(debugging).toMatchObject({ code: 2, stderr: expect.stringContaining("HAMLET_DEBUG is 'perhaps'") });
  const typo = await hamlet(["lab", "status", "--schema"], { HAMLET_JSN: "1" });
  expect(typo).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("HAMLET_JSN is set, but no command reads it"),
  });
  const quiet = await hamlet(["status", "--device", join(folder, "none/x")], { HAMLET_DEBUG: "False" });
  expect(quiet.stderr.split("\n")).toHaveLength(2);
});

test("env-false: a usage error says which options came from the environment", async () => {
  const argv = ["provision", join(folder, "any"), "--name", "attic"];
  const asked = await hamlet(argv, { HAMLET_GATEWAY: "10.0.0.1", HAMLET_JSON: "", HAMLET_NAME: "cellar" });
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining("--address is missing") });
  expect(asked.stderr).toMatch(/^hamlet: the environment sets HAMLET_GATEWAY, HAMLET_JSON$/m);
});

test("env-false: an invalid log level is reported once; the four levels work in upper and lower case", async () => {
  const source = `import { makeLog } from ${JSON.stringify(join(root, "system/log.ts"))};
    for (const part of ["a", "b"]) makeLog(part).info("told");`;
  const linesAt = async (level: string) => {
    const argv = ["--input-type=module", "-e", source];
    const env = { ...process.env, HAMLET_LOG: level };
    return (await promisify(execFile)(process.execPath, argv, { env })).stderr.trim().split("\n").filter(Boolean);
  };
  expect(await linesAt(" Error ")).toEqual([]);
  expect(await linesAt("")).toHaveLength(2);
  const lines = await linesAt("toString");
  expect(lines).toHaveLength(3);
  expect(lines[0]).toContain("HAMLET_LOG is 'tostring'");
});
