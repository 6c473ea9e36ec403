import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const script = join(import.meta.dirname, "../../system/setup.sh");
let stubs: string;
beforeEach(() => {
  stubs = mkdtempSync(join(tmpdir(), "hamlet-setup-"));
});
afterEach(() => rmSync(stubs, { recursive: true }));

function stub(name: string, body: string): void {
  writeFileSync(join(stubs, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(stubs, name), 0o755);
}
const setup = (job: string) =>
  spawnSync("/bin/sh", [script, job], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${stubs}:${process.env["PATH"]}` },
  });

test("without root the set-up prints the command that installs what is missing, and installs nothing", () => {
  stub("id", "echo 1000");
  stub("sudo", "exit 1");
  stub("apt-get", "echo apt-get was called >&2; exit 99");
  stub("dpkg-query", 'case "$*" in *mmdebstrap*) exit 1;; *) printf installed;; esac');
  const { status, stderr } = setup("start");
  expect(status).toBe(1);
  expect(stderr).toContain("sudo apt-get update && sudo apt-get install --no-install-recommends mmdebstrap");
  expect(stderr).not.toContain("apt-get was called");
});

test("if everything is installed, it does nothing and prints nothing", () => {
  stub("dpkg-query", "printf installed");
  expect(setup("bench")).toMatchObject({ status: 0, stdout: "", stderr: "" });
});

test("if the package manager fails, it ends with its last lines", () => {
  stub("id", "echo 0");
  stub("dpkg-query", "exit 1");
  stub("apt-get", "echo E: no such mirror; exit 100");
  const { status, stderr } = setup("start");
  expect(status).toBe(1);
  expect(stderr).toContain("E: no such mirror");
});

test("an old Node is refused before anything is installed", () => {
  stub("node", "echo 18");
  const { status, stderr } = setup("start");
  expect([status, stderr]).toEqual([1, expect.stringContaining("Node.js 18 is too old")]);
});

test("an unknown job is refused", () => {
  expect(setup("nonsense")).toMatchObject({ status: 1, stderr: expect.stringContaining("unknown job") });
});
