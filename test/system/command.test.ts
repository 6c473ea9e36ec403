// A program that is timed out or stopped is gone when `run` says so, and with a group of its own so are its children.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "../../system/command.ts";
import { eventually } from "../eventually.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-command-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** The process that the shell wrote to `name`; 0 until it has. */
const pidIn = async (name: string): Promise<number> =>
  Number(await readFile(join(folder, name), "utf8").catch(() => "0"));

const isGone = async (pid: number): Promise<boolean> => {
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // A zombie that its new parent has not looked at yet is as good as gone.
  return state === "" || state.includes(") Z ");
};

/**
 * A shell with a child in the background that holds the pipes open, and one in the foreground. That one tells of the other:
 * a signal that came before it was there would have to wait for its end.
 */
const family = (before = "") =>
  ["sh", "-c", `${before} sleep 60 & sh -c 'echo "$0" > child; exec sleep 60' $!; true`] as const;

test("a timeout ends the program's children with it", async () => {
  const running = run(family(), { cwd: folder, ownGroup: true, timeoutMs: 500 });
  await expect(running).rejects.toMatchObject({ code: "command.timeout" });
  const child = await pidIn("child");
  expect(child).toBeGreaterThan(0);
  await eventually(() => isGone(child));
});

test("a timeout is reported in time even if a child of the program keeps its pipes", async () => {
  const startedMs = performance.now();
  await expect(run(family(), { cwd: folder, timeoutMs: 500 })).rejects.toMatchObject({ code: "command.timeout" });
  expect(performance.now() - startedMs).toBeLessThan(20_000);
  process.kill(await pidIn("child"), "SIGKILL");
});

test("an abort asks the whole group to end and lets it tidy up", async () => {
  const over = new AbortController();
  const tidy = "trap 'echo tidied > tidied; exit 0' TERM;";
  const running = run(family(tidy), { cwd: folder, ownGroup: true, signal: over.signal, timeoutMs: 60_000 });
  const failed = expect(running).rejects.toMatchObject({ message: expect.stringMatching(/was stopped$/) });
  const child = await eventually(async () => (await pidIn("child")) || false);
  over.abort();
  await failed;
  expect(await readFile(join(folder, "tidied"), "utf8")).toBe("tidied\n");
  await eventually(() => isGone(child));
});

test("a program that ignores the abort is killed", async () => {
  const over = new AbortController();
  const options = { cwd: folder, ownGroup: true, signal: over.signal, graceMs: 200, timeoutMs: 60_000 };
  const running = run(family("trap '' TERM;"), options);
  const failed = expect(running).rejects.toMatchObject({ message: expect.stringMatching(/was stopped$/) });
  const child = await eventually(async () => (await pidIn("child")) || false);
  over.abort();
  await failed;
  await eventually(() => isGone(child));
});

test("nothing is started once the signal is aborted", async () => {
  const signal = AbortSignal.abort();
  await expect(run(["touch", "started"], { cwd: folder, signal })).rejects.toMatchObject({ code: "command.failed" });
  expect(await readFile(join(folder, "started"), "utf8").catch(() => "none")).toBe("none");
});

test("a program that ends by itself leaves its group alone", async () => {
  expect(await run(["sh", "-c", "echo done"], { ownGroup: true, signal: new AbortController().signal })).toBe("done\n");
});

test("a missing program is reported with what to install", async () => {
  await expect(run(["hamlet-no-such-program"])).rejects.toMatchObject({
    code: "command.missing",
    hint: expect.stringContaining("hamlet-no-such-program"),
  });
});

test("b3-client: a program that prints too much is ended, and a line without an end does not fill memory", async () => {
  const endless = run(["yes"], { timeoutMs: 60_000, maxStdoutBytes: 1 << 20 });
  await expect(endless).rejects.toMatchObject({
    code: "command.failed",
    message: "yes printed more than 1048576 bytes",
  });
  const lines: string[] = [];
  const script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2";
  await run(["sh", "-c", script], { timeoutMs: 60_000, onStderrLine: (line) => lines.push(line) });
  expect(lines.at(-1)).toBe("end");
  // The end of a long line: what was kept of it, and what came at once with its end.
  expect(lines[0]?.length).toBeLessThan(200_000);
});
