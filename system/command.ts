// The one place that starts another program. Everything else is handed a `Run`.
import { spawn } from "node:child_process";
import { errnoOf, HamletError } from "./error.ts";

export type Argv = readonly [file: string, ...args: string[]];
export type RunOptions = {
  timeoutMs?: number;
  /** Written to stdin: the way for keys, which must not stand in argv. */
  input?: string | Uint8Array;
  cwd?: string;
  env?: Record<string, string | undefined>;
  /** Called for each line of stderr, for progress; the tail is kept for the error either way. */
  onStderrLine?: (line: string) => void;
  signal?: AbortSignal;
};
/** Runs a program to its end and gives its stdout. Throws `command.missing`, `command.timeout` or `command.failed`. */
export type Run = (argv: Argv, options?: RunOptions) => Promise<string>;

const keptStderrChars = 4_000;
const maxStdoutBytes = 64 << 20;

export const run: Run = ([file, ...args], options = {}) => {
  const { timeoutMs = 10_000, input, cwd, env, onStderrLine, signal } = options;
  const what = `${file} ${args.find((arg) => !arg.startsWith("-")) ?? ""}`.trim();
  return new Promise((resolve, reject) => {
    // LC_ALL=C: callers parse this output, so it must not follow the device's language.
    const child = spawn(file, args, { cwd, env: { ...process.env, LC_ALL: "C", ...env }, signal, stdio: "pipe" });
    const stdout: Buffer[] = [];
    let stdoutBytes = 0;
    let stderr = "";
    let pendingLine = "";
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.stdout.on("data", (chunk: Buffer) => {
      stdoutBytes += chunk.length;
      if (stdoutBytes > maxStdoutBytes) child.kill("SIGKILL");
      else stdout.push(chunk);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-keptStderrChars);
      if (!onStderrLine) return;
      const lines = (pendingLine + text).split(/\r?\n/);
      pendingLine = lines.pop() ?? "";
      for (const line of lines) onStderrLine(line);
    });
    // A program that ends before it has read its input closes the pipe; its exit code tells what happened.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("error", (cause) => {
      clearTimeout(timer);
      if (errnoOf(cause) === "ENOENT") {
        reject(
          new HamletError("command.missing", `${file} is not installed`, {
            hint: `install the package that has ${file}`,
            cause,
          }),
        );
      } else reject(new HamletError("command.failed", `${what} could not be started`, { cause }));
    });
    child.on("close", (exitCode, killedBy) => {
      clearTimeout(timer);
      if (exitCode === 0) return resolve(Buffer.concat(stdout).toString("utf8"));
      if (timedOut) return reject(new HamletError("command.timeout", `${what} did not end within ${timeoutMs} ms`));
      const told = stderr.trim().split("\n").slice(-8).join("\n");
      const how = killedBy ? `was ended by ${killedBy}` : `exited with ${exitCode}`;
      reject(new HamletError("command.failed", `${what} ${how}${told ? `: ${told}` : ""}`));
    });
  });
};
