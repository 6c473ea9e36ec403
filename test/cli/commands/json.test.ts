// Scripts read facts as JSON: every command that prints facts takes --json, and prints one document then.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { bootLines } from "../../../cli/commands/boot/boot.ts";
import { commands } from "../../../cli/commands.ts";
import { parseInput } from "../../../cli/terminal/command.ts";
import { controlSocket } from "../../../image/lab/supervisor/control.ts";
import { takeLock } from "../../../image/lab/supervisor/lock.ts";
import { labFolder, lockName } from "../../../image/lab/supervisor/options.ts";
import type { CutReport } from "../../../image/lab/supervisor/status.ts";
import { silentProgress } from "../../../system/progress.ts";

const without: Record<string, string> = {
  open: "serves the page until Ctrl-C",
  logs: "passes on the lines of the journal, or an archive of them",
  "lab watch": "shows a person what happens until Ctrl-C",
  "lab console": "is a terminal",
  "lab exec": "passes on what a program in the device prints",
  "lab join": "passes on what a program prints",
  completion: "prints a script for the shell",
};

test("every command takes --json, except those that print no facts", async () => {
  const lacking = [];
  for (const [name, load] of Object.entries(commands)) {
    const { options = {} } = await load();
    if (options["json"] === undefined) lacking.push(name);
    else expect(options["json"]).toMatchObject({ type: "boolean" });
  }
  expect(lacking.sort()).toEqual(Object.keys(without).sort());
});

const report: CutReport = { kept: "flushed", seed: 7, flushedWrites: 9, whole: 1, torn: 2, lost: 3 };
/** Answers as a lab does. */
const lab = createServer((request, response) => {
  const [action = ""] = /[a-z]+$/.exec(request.url ?? "") ?? [];
  const answers: Record<string, object> = { cut: report, clone: { name: "cellar" } };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(answers[request.url === "/v1/web/cut" ? "" : action] ?? {}));
});
let state: string;
beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), "hamlet-json-"));
  vi.stubEnv("XDG_STATE_HOME", state);
  await mkdir(labFolder(), { recursive: true });
  await takeLock(join(labFolder(), lockName));
  await new Promise<void>((resolve) => lab.listen(join(labFolder(), controlSocket), resolve));
});
afterAll(async () => {
  lab.close();
  vi.unstubAllEnvs();
  await rm(state, { recursive: true });
});

test.each<[name: string, argv: string[], facts: object]>([
  ["lab cut", ["attic", "--seed", "7"], { device: "attic", isOn: false, ...report }],
  ["lab cut", ["--web"], { web: { isPartitioned: true } }],
  ["lab power", ["attic"], { device: "attic", isOn: true }],
  ["lab power", ["--web"], { web: { isPartitioned: false } }],
  ["lab add", ["porch", "--token", "confirm"], { device: "porch", token: "confirm" }],
  ["lab clone", ["attic"], { device: "cellar", of: "attic" }],
  ["lab partition", ["attic"], { device: "attic", isPartitioned: true }],
  ["lab heal", ["attic"], { device: "attic", isPartitioned: false }],
  ["lab heal", [], { device: "all", isPartitioned: false }],
  ["lab link", ["attic", "--kbit", "256"], { device: "attic", line: { kbit: 256, seed: 1 } }],
  ["lab link", ["attic", "--heal"], { device: "attic", line: null }],
])("hamlet %s %j --json prints one document", async (name, argv, facts) => {
  const command = await commands[name]!();
  const printed: string[] = [];
  const context = { print: (...lines: string[]) => printed.push(...lines), note: () => {}, progress: silentProgress };
  expect(await command.run(parseInput(command, [...argv, "--json"], {}), context)).toBe(0);
  expect(JSON.parse(printed.join("\n"))).toEqual(facts);
});

test("every boot command prints the state that it leaves as one document", () => {
  const settled = { phase: "settled", slot: "a", version: "1.0" } as const;
  expect(JSON.parse(bootLines(settled, { json: true }).join("\n"))).toEqual(settled);
  expect(bootLines(settled, {})).toContain("running     slot a, version 1.0");
});
