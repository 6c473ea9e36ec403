// Programs that run beside this one: with streams to talk over, on its terminal, or in the background until it ends them.
// `command.ts` runs one to its end and returns what it printed. No other file starts a program.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { Readable, Writable } from "node:stream";
import { sleep } from "./clock.ts";
import { errnoOf, HamletError } from "./error.ts";

export type Argv = readonly [file: string, ...args: string[]];
/** A number is a file descriptor that the program inherits. */
type Where = "ignore" | "inherit" | "pipe" | number;
export type ProgramOptions = {
  /** Default "ignore". */
  stdin?: Where;
  /** Default "ignore". */
  stdout?: Where;
  /** Default "keep": only its tail, for `lastWords`. */
  stderr?: Where | "keep";
  /** With stderr "keep": called for each line. */
  onStderrLine?: (line: string) => void;
  cwd?: string;
  /** The whole environment; default this process's own. */
  env?: Record<string, string | undefined>;
  /** A process group and session of its own: signals reach what the program starts, and a terminal's Ctrl-C reaches none of them. */
  ownGroup?: boolean;
  /** What the kernel sends the program when this process dies, however it dies; needs util-linux. */
  onOurDeath?: "TERM" | "KILL";
  /** Opens a channel to a program of Node's and receives what it sends there. */
  onMessage?: (message: unknown) => void;
};
/** `code` is 128 plus the signal's number if a signal ended it, as shells count. */
export type End = { code: number; signal: NodeJS.Signals | undefined };
type Piped<O, Name extends string, Stream> = O extends Record<Name, "pipe"> ? Stream : undefined;
export type Program<O extends ProgramOptions = ProgramOptions> = {
  pid: number | undefined;
  stdin: Piped<O, "stdin", Writable>;
  stdout: Piped<O, "stdout", Readable>;
  stderr: Piped<O, "stderr", Readable>;
  /** The program itself is gone; what it started may still hold its pipes. Rejects with `command.missing` or `command.failed` if it never started. */
  exit: Promise<End>;
  /** As `exit`, and its pipes are closed: nothing more comes. */
  end: Promise<End>;
  /** The tail of its stderr, with "keep". */
  lastWords(): string;
  /** Does nothing once the program has ended. Default SIGTERM. */
  kill(signal?: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL `graceMs` later; resolves when the program, or its whole group, is gone. */
  stop(graceMs?: number): Promise<void>;
  /** Lets the program outlive this process, which no longer waits for it. */
  release(): void;
};

const keptChars = 4_000;
/** A process that the kernel does not let go (a dead disk) holds nobody up for longer. */
const afterKillMs = 5_000;

export function startProgram<const O extends ProgramOptions>(argv: Argv, options: O = {} as O): Program<O> {
  const { stdin = "ignore", stdout = "ignore", stderr = "keep", cwd, env, onMessage, ownGroup = false } = options;
  const [file, ...args] = options.onOurDeath ? ["setpriv", "--pdeathsig", options.onOurDeath, ...argv] : argv;
  const child = spawn(file!, args, {
    cwd,
    env: env ?? process.env,
    detached: ownGroup,
    stdio: [stdin, stdout, stderr === "keep" ? "pipe" : stderr, ...(onMessage ? (["ipc"] as const) : [])],
  });
  const over = (event: "exit" | "close") => {
    const promise = new Promise<End>((resolve, reject) => {
      child.on("error", (cause) => child.pid === undefined && reject(startError(file!, cause, cwd)));
      child.on(event, (code, signal) => child.pid !== undefined && resolve(endOf(code, signal)));
    });
    // Not every caller waits for both.
    promise.catch(() => {});
    return promise;
  };
  // First of all: `spawn` reports most failures by the event "error", which nobody may miss.
  const [exit, end] = [over("exit"), over("close")];
  const lastWords = stderr === "keep" ? keepTail(child.stderr, options.onStderrLine) : () => "";
  // A program that ends before it has read its input closes the pipe; its exit code tells what happened.
  child.stdin?.on("error", () => {});
  if (onMessage) child.on("message", onMessage);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const program: Program<{ stdin: "pipe"; stdout: "pipe"; stderr: "pipe" }> = {
    pid: child.pid,
    // Null where there is no pipe: `Piped` says where there is one. Undefined without a free file descriptor: see `keepTail`.
    stdin: child.stdin === undefined ? deafStream() : child.stdin!,
    stdout: child.stdout === undefined ? Readable.from([]) : child.stdout!,
    stderr: child.stderr === undefined ? Readable.from([]) : child.stderr!,
    exit,
    end,
    lastWords,
    kill: (signal = "SIGTERM") => void (hasEnded() || signalTo(child, signal, ownGroup)),
    async stop(graceMs = 10_000) {
      const isThere = () => (ownGroup ? signalTo(child, 0, true) : child.pid !== undefined && !hasEnded());
      signalTo(child, "SIGTERM", ownGroup);
      const killAt = performance.now() + graceMs;
      while (isThere() && performance.now() < killAt) await sleep(20);
      if (isThere()) signalTo(child, "SIGKILL", ownGroup);
      while (isThere() && performance.now() < killAt + afterKillMs) await sleep(20);
    },
    release() {
      child.removeAllListeners();
      if (child.connected) child.disconnect();
      child.unref();
    },
  };
  return program as unknown as Program<O>;
}

export type DaemonOptions = ProgramOptions & {
  isReady: () => boolean | Promise<boolean>;
  /** Default 10 s: on a loaded single-board computer a daemon takes seconds. */
  withinMs?: number;
};

/** Starts a program and resolves when it is ready. If it ends first or takes too long it is stopped, and this throws `command.failed`. What `isReady` throws ends it too. */
export async function startDaemon(
  argv: Argv,
  { isReady, withinMs = 10_000, ...options }: DaemonOptions,
): Promise<Program> {
  const program = startProgram(argv, options);
  let ended: { how: string; cause?: unknown } | undefined;
  program.exit.then(
    ({ code, signal }) => {
      ended = { how: signal ? `ended by ${signal}` : `exited with ${code}` };
    },
    (cause) => {
      ended = { how: "did not start", cause };
    },
  );
  const deadline = performance.now() + withinMs;
  const isUp = async () => {
    try {
      return await isReady();
    } catch (error) {
      // The caller gets no program that it could stop.
      await program.stop();
      throw error;
    }
  };
  while (!(await isUp())) {
    if (ended === undefined && performance.now() < deadline) {
      await sleep(20);
      continue;
    }
    const { how, cause } = ended ?? { how: `was not ready within ${withinMs / 1_000} s` };
    await program.stop();
    // Its last words may still be in the pipe; a child of it may hold that open.
    await Promise.race([program.end.catch(() => {}), sleep(200)]);
    const told = program.lastWords();
    throw new HamletError("command.failed", `${argv[0]} ${how}${told ? `: ${told}` : ""}`, { cause });
  }
  return program;
}

/** Whether anybody was there to get it. */
export function signalTo(child: ChildProcess, signal: NodeJS.Signals | 0, toGroup: boolean): boolean {
  // Without a free file descriptor Node gives the child process 0: a signal to that would reach our own group.
  if (child.pid === undefined) return false;
  if (!toGroup) return child.kill(signal);
  try {
    return process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

/** Node says ENOENT for a missing working folder as well. */
export function startError(file: string, cause: Error, cwd?: string): HamletError {
  if (cwd !== undefined && !existsSync(cwd))
    return new HamletError("command.failed", `${file} could not be started: there is no folder ${cwd}`, { cause });
  if (errnoOf(cause) !== "ENOENT") return new HamletError("command.failed", `${file} could not be started`, { cause });
  return new HamletError("command.missing", `${file} is not installed`, {
    hint: `install the package that has ${file}`,
    cause,
  });
}

/**
 * Reads a stream of text to its end, keeps the tail of it and hands on its lines, whose length is bounded too. There is no stream if
 * `spawn` found no free file descriptor (EMFILE, ENFILE): it returns a child without any.
 */
export function keepTail(stream: Readable | null | undefined, onLine?: (line: string) => void): () => string {
  let tail = "";
  let pending = "";
  stream?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-keptChars);
    if (!onLine) return;
    const lines = (pending + text).split(/\r?\n/);
    pending = (lines.pop() ?? "").slice(-keptChars);
    for (const line of lines) onLine(line);
  });
  return () => tail.trim();
}

const deafStream = () => new Writable({ write: (_chunk, _encoding, done) => done() });

const endOf = (code: number | null, signal: NodeJS.Signals | null): End =>
  signal ? { code: 128 + constants.signals[signal], signal } : { code: code ?? 1, signal: undefined };
