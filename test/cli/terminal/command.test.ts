import { expect, test } from "vitest";
import { commands } from "../../../cli/commands.ts";
import { helpText, nameOf, parseInput } from "../../../cli/terminal/command.ts";
import { coded } from "../../../system/error.ts";

const named = (name: string) => commands[name]!();

test("every command has a unique name, an example that begins with it, and help that lists its options", async () => {
  for (const [name, load] of Object.entries(commands)) {
    const command = await load();
    expect(nameOf(command)).toBe(name);
    expect(command.example).toContain(`hamlet ${nameOf(command)}`);
    for (const option of Object.keys(command.options ?? {})) expect(helpText(command)).toContain(`--${option}`);
  }
});

test("a command's name is the words before its first placeholder", () => {
  const usages = ["lab heal", "lab down [--json]", "init <folder> --name <name>", "lab join <command...>", "open"];
  expect(usages.map((usage) => nameOf({ usage }))).toEqual(["lab heal", "lab down", "init", "lab join", "open"]);
});

test("options come from the command line, then from HAMLET_<NAME>, then from their defaults", async () => {
  const token = await named("token create");
  const env = { HAMLET_EXPIRES: "3d", HAMLET_MAX_DEVICES: "4", HAMLET_TAG: "porch" };
  expect(parseInput(token, ["--expires", "1d"], env).values).toMatchObject({
    expires: "1d",
    "max-devices": "4",
    adopt: "auto",
    tag: ["porch"],
  });
});

test.each([
  ["init", ["a", "b", "--name", "x"], "unexpected argument 'b'"],
  ["status", ["attic"], "unexpected argument 'attic'"],
  ["lab up", ["5"], "unexpected argument '5'"],
  ["token create", ["--expiers", "1d"], "--expiers"],
  ["token create", ["--expires"], "--expires"],
])("hamlet %s %s is used wrongly, and the message names the word", async (name, argv, message) => {
  const command = await named(name);
  expect(() => parseInput(command, argv, {})).toThrow(expect.objectContaining({ code: "usage.invalid", exitCode: 2 }));
  expect(() => parseInput(command, argv, {})).toThrow(message);
});

test.each([
  ["ENOSPC", "file.full"],
  ["EACCES", "file.unreadable"],
  ["EISDIR", "file.unreadable"],
])("the system's %s reaches people as %s with the path and a next step", (errno, code) => {
  const error = Object.assign(new Error(`${errno}: something`), { code: errno, path: "/somewhere" });
  expect(coded(error)).toMatchObject({
    code,
    message: expect.stringContaining("/somewhere"),
    hint: expect.any(String),
  });
});

test("an option may be given only once, because only one of two values could count", async () => {
  const token = await named("token create");
  const twice = () => parseInput(token, ["--expires", "1d", "--expires", "2d"], {});
  expect(twice).toThrow(
    expect.objectContaining({ code: "usage.invalid", message: "--expires is given more than once" }),
  );
  expect(parseInput(token, ["--tag", "a", "--tag", "b", "--json", "--json"], {}).values).toMatchObject({
    tag: ["a", "b"],
    json: true,
  });
});

test("an option that replaces its command's action excludes the command's arguments and options", async () => {
  const flash = await named("flash");
  for (const words of [
    ["--list", "a.img"],
    ["--list", "--yes"],
    ["--dry-run", "--list"],
    ["a.img", "/dev/sdz", "--list"],
  ])
    expect(() => parseInput(flash, words, {})).toThrow(/cannot be used with --list/);
  expect(parseInput(flash, ["--list", "--json"], { HAMLET_YES: "1" }).values).toMatchObject({ list: true, json: true });
});

test("an option that would do nothing beside another is refused, not ignored", async () => {
  for (const [name, ...words] of [
    ["lab link", "attic", "--heal", "--kbit", "5"],
    ["lab link", "attic", "--seed", "3", "--heal"],
    ["image inspect", "a.img", "--sbom", "--licences"],
  ] as const) {
    const command = await named(name);
    expect(() => parseInput(command, words as never, {})).toThrow(/cannot be used with --(heal|sbom)/);
  }
  expect(parseInput(await named("lab link"), ["attic", "--heal"], {}).values).toMatchObject({ heal: true, seed: "1" });
  const cut = await named("lab cut");
  const run = () => cut.run(parseInput(cut, ["attic", "--keep-all", "--seed", "7"], {}), {} as never);
  await expect(run()).rejects.toMatchObject({ code: "usage.invalid", message: expect.stringContaining("--seed") });
});

test("every option that replaces the action is a boolean, and the options it allows exist", async () => {
  for (const load of Object.values(commands)) {
    const { options = {} } = await load();
    for (const { aloneBut, excludes = [], type } of Object.values(options)) {
      for (const name of excludes) expect(Object.keys(options)).toContain(name);
      if (!aloneBut) continue;
      expect(type).toBe("boolean");
      for (const name of aloneBut) expect(Object.keys(options)).toContain(name);
    }
  }
});
