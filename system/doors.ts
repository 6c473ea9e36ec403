// What can be done inside a machine: start a program, connect to a unix socket.
import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import { z } from "zod";
import { HamletError } from "./error.ts";
import { shellWord } from "./shell-word.ts";

/** Where its agent listens, on every device. */
export const agentSocket = "/run/hamlet/agent.sock";

export const ExecRequest = z.strictObject({
  argv: z.array(z.string()).min(1).max(1000),
  env: z.record(z.string(), z.string()).optional(),
  cwd: z.string().optional(),
  /** Run it on a terminal of this size. */
  terminal: z.strictObject({ rows: z.int().min(1).max(1000), columns: z.int().min(1).max(1000) }).optional(),
});
export type ExecRequest = z.infer<typeof ExecRequest>;

export type Exec = {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** The exit code; 128 + its number after a signal. Rejects with `lab.execFailed` if it could not start or the machine went away. */
  exit: Promise<number>;
  kill(): void;
};
/** The same doors in the machine itself and, by a channel, from outside. */
export type Doors = { exec(request: ExecRequest): Exec; connect(path: string): Duplex };

/** The doors of the machine in which this runs. */
export const localDoors: Doors = {
  exec(request) {
    const [file = "", ...args] = request.terminal ? onTerminal(request.argv, request.terminal) : request.argv;
    const child = spawn(file, args, {
      cwd: request.cwd ?? "/",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LANG: "C.UTF-8", TERM: "dumb", ...request.env },
      stdio: "pipe",
      // A group of its own, so that `kill` reaches what the program started.
      detached: true,
    });
    return {
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      exit: exitOf(child),
      kill: () => killGroup(child),
    };
  },
  connect: (path) => connect({ path, allowHalfOpen: true }),
};

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGPIPE: 13,
  SIGTERM: 15,
};

const exitOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.on("error", (cause) =>
      reject(new HamletError("lab.execFailed", `cannot start ${child.spawnfile}`, { cause })),
    );
    // `exit`, not `close`: a daemon that inherited stdout must not keep the answer back.
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signalNumbers[signal ?? "SIGKILL"] ?? 0)));
  });

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended on its own meanwhile.
  }
}

/** util-linux `script` gives a program a terminal and passes its exit code on. */
function onTerminal(argv: string[], { rows, columns }: { rows: number; columns: number }): string[] {
  const quoted = argv.map(shellWord).join(" ");
  return ["script", "-qefc", `stty rows ${rows} cols ${columns}; exec ${quoted}`, "/dev/null"];
}
