// Long-running programs: their streams, their end, and that none stays behind.
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startDaemon, startProgram } from "../../system/program.ts";
import { eventually } from "../eventually.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-program-"));
});
afterEach(() => rm(folder, { recursive: true }));

const pidIn = async (name: string): Promise<number> =>
  Number(await readFile(join(folder, name), "utf8").catch(() => "0"));
const stateOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
const isGone = async (pid: number): Promise<boolean> =>
  ["", "Z"].includes(/\) (\w) /.exec(await stateOf(pid))?.[1] ?? "");
const exists = (name: string): Promise<boolean> =>
  access(join(folder, name)).then(
    () => true,
    () => false,
  );

test("a program reads stdin and writes stdout", async () => {
  const program = startProgram(["tr", "a-z", "A-Z"], { stdin: "pipe", stdout: "pipe" });
  program.stdin.end("hello");
  expect(await text(program.stdout)).toBe("HELLO");
  expect(await program.end).toEqual({ code: 0, signal: undefined });
});

test("a program that does not read its input ends with its own exit code", async () => {
  const program = startProgram(["sh", "-c", "exit 3"], { stdin: "pipe" });
  program.stdin.write(Buffer.alloc(1 << 20));
  expect(await program.end).toEqual({ code: 3, signal: undefined });
});

test("the last output is kept, and a signal gives the exit code of a shell", async () => {
  const lines: string[] = [];
  const program = startProgram(["sh", "-c", "echo one >&2; echo two >&2; kill -TERM $$"], {
    onStderrLine: (line) => lines.push(line),
  });
  expect(await program.end).toEqual({ code: 143, signal: "SIGTERM" });
  expect(program.lastWords()).toBe("one\ntwo");
  expect(lines).toEqual(["one", "two"]);
});

test("both exit and end name a missing program", async () => {
  const program = startProgram(["hamlet-no-such-program"], { stdin: "pipe" });
  await expect(program.exit).rejects.toMatchObject({ code: "command.missing" });
  await expect(program.end).rejects.toMatchObject({ message: "hamlet-no-such-program is not installed" });
  await program.stop();
});

test("a missing folder is not reported as a missing program", async () => {
  const program = startProgram(["true"], { cwd: join(folder, "none") });
  await expect(program.exit).rejects.toMatchObject({ code: "command.failed" });
});

test("without a free file descriptor a program does not start, and its streams are empty", async () => {
  const script = `
    import { openSync } from "node:fs";
    import { text } from "node:stream/consumers";
    import { run } from "${new URL("../../system/command.ts", import.meta.url).href}";
    import { startProgram } from "${new URL("../../system/program.ts", import.meta.url).href}";
    const told = [];
    const tell = (what) => told.push(what);
    try { for (;;) openSync("/dev/null"); } catch ({ code }) { tell(code); }
    const kept = startProgram(["true"], { ownGroup: true });
    await kept.stop();
    await kept.exit.catch(({ code, cause }) => tell(code + " " + cause.code));
    const piped = startProgram(["true"], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    piped.stdin.end("hello");
    tell((await text(piped.stdout)) + (await text(piped.stderr)));
    await piped.end.catch(({ code }) => tell(code));
    await run(["true"], { input: "hello", timeoutMs: 100 }).catch(({ code, cause }) => tell(code + " " + cause.code));
    console.log(JSON.stringify(told));`;
  const argv = ["prlimit", "--nofile=64", process.execPath, "--input-type=module", "-e", script] as const;
  const parent = startProgram(argv, { stdout: "pipe", ownGroup: true });
  const told = await text(parent.stdout);
  expect([await parent.end, parent.lastWords()]).toEqual([{ code: 0, signal: undefined }, ""]);
  const failed = "command.failed EMFILE";
  expect(JSON.parse(told)).toEqual(["EMFILE", failed, "", "command.failed", failed]);
});

test("a child that holds the pipes delays the end, not the exit", async () => {
  const program = startProgram(["sh", "-c", "sleep 60 & echo $! > child"], {
    cwd: folder,
    stdout: "pipe",
    ownGroup: true,
  });
  expect((await program.exit).code).toBe(0);
  let hasEnded = false;
  program.end.then(() => {
    hasEnded = true;
  });
  expect(await isGone(await pidIn("child"))).toBe(false);
  expect(hasEnded).toBe(false);
  program.stdout.resume();
  await program.stop();
  await program.end;
});

test("a stop ends the whole group, and kills a program that ignores it", async () => {
  const script = "trap '' TERM; sh -c 'echo $$ > child; exec sleep 60' & wait; sleep 60";
  const program = startProgram(["sh", "-c", script], { cwd: folder, ownGroup: true });
  const child = await eventually(async () => (await pidIn("child")) || false);
  await program.stop(100);
  expect(await program.exit).toEqual({ code: 137, signal: "SIGKILL" });
  await eventually(() => isGone(child));
});

test("the kernel ends a program when the process that started it is killed", async () => {
  const script = `
    import { startProgram } from "${new URL("../../system/program.ts", import.meta.url).href}";
    const program = startProgram(["sleep", "60"], { onOurDeath: "KILL" });
    process.stdout.write(String(program.pid));`;
  const parent = startProgram([process.execPath, "--input-type=module", "-e", script], { stdout: "pipe" });
  const [pid] = await parent.stdout.take(1).toArray();
  await eventually(async () => (await stateOf(Number(pid))).includes("(sleep)"));
  parent.kill("SIGKILL");
  await eventually(() => isGone(Number(pid)));
});

test("messages arrive, and a released program lives on", async () => {
  const received = Promise.withResolvers<unknown>();
  const script = "process.send({ ready: true }); process.on('disconnect', () => {}); setInterval(() => {}, 1000);";
  const program = startProgram([process.execPath, "-e", script], { ownGroup: true, onMessage: received.resolve });
  expect(await received.promise).toEqual({ ready: true });
  program.release();
  expect(await isGone(program.pid!)).toBe(false);
  process.kill(program.pid!, "SIGKILL");
});

test("startDaemon resolves when the daemon is ready", async () => {
  const daemon = await startDaemon(["sh", "-c", "touch ready; exec sleep 60"], {
    cwd: folder,
    isReady: () => exists("ready"),
  });
  expect(await isGone(daemon.pid!)).toBe(false);
  await daemon.stop();
  expect(await daemon.exit).toEqual({ code: 143, signal: "SIGTERM" });
});

test("a daemon whose readiness cannot be told is stopped", async () => {
  const failing = startDaemon(["sh", "-c", "echo $$ > daemon; exec sleep 60"], {
    cwd: folder,
    async isReady() {
      if (await pidIn("daemon")) throw new Error("no such socket");
      return false;
    },
  });
  await expect(failing).rejects.toThrow("no such socket");
  expect(await isGone(await pidIn("daemon"))).toBe(true);
});

test("the error for a daemon that ends, hangs or is missing names it and the reason", async () => {
  const isReady = () => false;
  const broken = startDaemon(["sh", "-c", "echo no such device >&2; exit 2"], { isReady });
  await expect(broken).rejects.toMatchObject({
    code: "command.failed",
    message: "sh exited with 2: no such device",
  });
  const hanging = startDaemon(["sleep", "60"], { isReady, withinMs: 50 });
  await expect(hanging).rejects.toMatchObject({ message: "sleep was not ready within 0.05 s" });
  const missing = startDaemon(["hamlet-no-such-program"], { isReady });
  await expect(missing).rejects.toMatchObject({
    message: "hamlet-no-such-program did not start",
    cause: { code: "command.missing" },
  });
});
