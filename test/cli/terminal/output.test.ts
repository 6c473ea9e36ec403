import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { makeOutput } from "../../../cli/terminal/output.ts";

const cli = fileURLToPath(new URL("../../../cli/hamlet.ts", import.meta.url));
const shell = (script: string) =>
  spawnSync("bash", ["-c", script, process.execPath, cli], { encoding: "utf8", env: { ...process.env, HOME: "/tmp" } });

test("every command fails with a code if its result cannot be written", () => {
  for (const words of ["--version", "--help", "status --schema", "lab up --help"]) {
    const { status, stderr } = shell(`"$0" "$1" ${words} >/dev/full`);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^hamlet: output\.failed: .*ENOSPC/)]);
  }
});

test("a reader that stops reading, or a closed stdout, is not a failure", () => {
  const { stdout, stderr } = shell('set -o pipefail; "$0" "$1" status --schema | head -n1; echo $?');
  expect([stdout, stderr]).toEqual(["{\n0\n", ""]);
});

test("everything printed is written once `written` resolves, and a result larger than a pipe arrives completely", async () => {
  const { stdout } = shell('"$0" "$1" status --schema | (sleep 1; cat) | wc -c');
  const whole = shell('"$0" "$1" status --schema').stdout;
  expect(Number(stdout)).toBe(whole.length);
  const { Writable } = await import("node:stream");
  const chunks: string[] = [];
  const slow = new Writable({
    write(chunk, _encoding, done) {
      setTimeout(() => {
        chunks.push(String(chunk));
        done();
      }, 5);
    },
  });
  const output = makeOutput(slow);
  for (let line = 0; line < 5; line++) output.print(String(line));
  await output.written();
  expect(chunks.join("")).toBe("0\n1\n2\n3\n4\n");
});
