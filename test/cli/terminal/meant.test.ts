import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { commands } from "../../../cli/commands.ts";
import { meantBy } from "../../../cli/terminal/meant.ts";

const names = Object.keys(commands);

test.each([
  [["statsu"], "there is no command 'statsu'", "status"],
  [["lab", "statsu", "--json"], "there is no command 'lab statsu'", "lab status"],
  [["renmae", "my attic"], "there is no command 'renmae my attic'", "rename 'my attic'"],
  [["--device", "my attic", "status"], "options come after the command", "status --device 'my attic'"],
  [["-y", "flash", "a.img", "/dev/sdz"], "options come after the command", "flash a.img /dev/sdz -y"],
  [["lab"], "there is no command 'lab'", undefined],
  [["teleport"], "there is no command 'teleport'", undefined],
  [["--list"], "there is no command '--list'", undefined],
])("%j: %s", (argv, why, command) => {
  expect(meantBy(argv, names)).toEqual({ why, ...(command !== undefined && { command }) });
});

test("a command that does not exist has no help either, and a group has", () => {
  const cli = fileURLToPath(new URL("../../../cli/hamlet.ts", import.meta.url));
  const hamlet = (...words: string[]) =>
    spawnSync(process.execPath, [cli, ...words], { encoding: "utf8", env: { ...process.env, HOME: "/tmp" } });
  for (const words of [["statsu"], ["statsu", "--help"], ["help", "statsu"], ["--yes", "status"]]) {
    const { status, stdout, stderr } = hamlet(...words);
    expect([status, stdout, stderr]).toEqual([2, "", expect.stringContaining("did you mean: hamlet status")]);
  }
  expect(hamlet("lab", "--help")).toMatchObject({ status: 0, stdout: expect.stringContaining("lab up") });
});
