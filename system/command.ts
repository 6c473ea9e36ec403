// Runs a program to its end and returns what it printed; `program.ts` starts those that run on. Cores are handed a `Run`.
import { type ChildProcess, spawn } from "node:child_process";
import { HamletError } from "./error.ts";
import { type Argv, keepTail, signalTo, startError } from "./program.ts";

export type { Argv } from "./program.ts";
export type RunOptions = {
  /** Default a minute. */
  timeoutMs?: number;
  /** Written to stdin. Keys go this way: everybody can read argv. */
  input?: string | Uint8Array;
  cwd?: string;
  env?: Record<string, string | undefined>;
  /** Called for each line of stderr, to show progress. The error quotes the tail of stderr either way. */
  onStderrLine?: (line: string) => void;
  /** Ends the program with SIGTERM, and with SIGKILL `graceMs` later. */
  signal?: AbortSignal;
  /** Default 10 s: a package builder removes thousands of files before it ends. */
  graceMs?: number;
  /**
   * A process group of its own, which ends as a whole: for a program that starts others. A terminal's Ctrl-C does not
   * reach it, so give a `signal` as well.
   */
  ownGroup?: boolean;
  /** Default 64 MiB: a program that prints more is killed. */
  maxStdoutBytes?: number;
  /** The longest file that the program may write: for one that downloads what a stranger serves. */
  maxFileBytes?: number;
};
/** Runs a program to its end and returns its stdout. Throws `command.missing`, `command.timeout` or `command.failed`. */
export type Run = (argv: Argv, options?: RunOptions) => Promise<string>;

const defaultMaxStdoutBytes = 64 << 20;
const defaultGraceMs = 10_000;
/** A program that takes a moment is stuck after a minute, even on a busy machine. Slower ones need an explicit timeout. */
const defaultTimeoutMs = 60_000;

export const run: Run = ([file, ...args], options = {}) => {
  const {
    timeoutMs = defaultTimeoutMs,
    input,
    cwd,
    env,
    onStderrLine,
    signal,
    ownGroup = false,
    graceMs = defaultGraceMs,
    maxStdoutBytes = defaultMaxStdoutBytes,
    maxFileBytes,
  } = options;
  const what = `${file} ${args.find((arg) => !arg.startsWith("-")) ?? ""}`.trim();
  return new Promise((resolve, reject) => {
    const stoppedError = () => new HamletError("command.failed", `${what} was stopped`, { cause: signal?.reason });
    if (signal?.aborted) return reject(stoppedError());
    // LC_ALL=C: callers parse this output, so it must not follow the device's language.
    const ownEnv = { ...process.env, LC_ALL: "C", ...env };
    const [program, words] =
      maxFileBytes === undefined ? [file, args] : ["prlimit", [`--fsize=${maxFileBytes}`, file, ...args]];
    // Typed like this because it has no streams if there is no free file descriptor (EMFILE, ENFILE).
    const child: ChildProcess = spawn(program, words, { cwd, env: ownEnv, detached: ownGroup, stdio: "pipe" });
    // First of all: `spawn` reports most failures by this event.
    child.on("error", (cause) => {
      over();
      reject(startError(file, cause, cwd));
    });
    const send = (signal: "SIGTERM" | "SIGKILL") => signalTo(child, signal, ownGroup);
    // A child that inherited the pipes and outlives the program must not delay its end.
    const kill = () => {
      send("SIGKILL");
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const stdout: Buffer[] = [];
    let stdoutBytes = 0;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, timeoutMs);
    let grace: NodeJS.Timeout | undefined;
    const stop = () => {
      send("SIGTERM");
      grace = setTimeout(kill, graceMs);
    };
    signal?.addEventListener("abort", stop, { once: true });
    const over = () => {
      clearTimeout(timer);
      clearTimeout(grace);
      signal?.removeEventListener("abort", stop);
    };
    child.stdout?.on("data", (chunk: Buffer) => {
      stdoutBytes += chunk.length;
      if (stdoutBytes > maxStdoutBytes) kill();
      else stdout.push(chunk);
    });
    const lastWords = keepTail(child.stderr, onStderrLine);
    // A program that ends before it has read its input closes the pipe. Its exit code says what happened.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
    child.on("close", (exitCode, killedBy) => {
      over();
      if (grace) {
        // The program is gone; nothing of its group may stay.
        if (ownGroup) send("SIGKILL");
        return reject(stoppedError());
      }
      if (exitCode === 0) return resolve(Buffer.concat(stdout).toString("utf8"));
      if (timedOut) return reject(new HamletError("command.timeout", `${what} did not finish within ${timeoutMs} ms`));
      if (stdoutBytes > maxStdoutBytes)
        return reject(new HamletError("command.failed", `${what} printed more than ${maxStdoutBytes} bytes`));
      const words = lastWords().split("\n").slice(-8).join("\n");
      const how = killedBy ? `was killed by ${killedBy}` : `exited with ${exitCode}`;
      reject(new HamletError("command.failed", `${what} ${how}${words ? `: ${words}` : ""}`));
    });
  });
};
