// The two ways into a machine: start a program, connect to a unix socket.
import { connect } from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import { z } from "zod";
import { HamletError } from "./error.ts";
import { type Argv, startProgram } from "./program.ts";
import { shellWord } from "./shell-word.ts";

/** Where the agent listens, on every device. */
export const agentSocket = "/run/hamlet/agent.sock";

export const ExecRequest = z.strictObject({
  argv: z.array(z.string()).min(1).max(1000),
  env: z.record(z.string(), z.string()).optional(),
  cwd: z.string().optional(),
  /** Runs it on a terminal of this size. */
  terminal: z.strictObject({ rows: z.int().min(1).max(1000), columns: z.int().min(1).max(1000) }).optional(),
});
export type ExecRequest = z.infer<typeof ExecRequest>;

export type Exec = {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** The exit code; 128 plus the number of a signal. Rejects with `lab.execFailed` if it could not start or the machine went away. */
  exit: Promise<number>;
  kill(): void;
};
/** The same doors from inside the machine and, through a channel, from outside. */
export type Doors = { exec(request: ExecRequest): Exec; connect(path: string): Duplex };

/** The doors of the machine that this runs in. */
export const localDoors: Doors = {
  exec(request) {
    const argv = request.terminal ? onTerminal(request.argv, request.terminal) : request.argv;
    const program = startProgram(argv as unknown as Argv, {
      cwd: request.cwd ?? "/",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LANG: "C.UTF-8", TERM: "dumb", ...request.env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      // `kill` reaches what the program started.
      ownGroup: true,
    });
    return {
      stdin: program.stdin,
      stdout: program.stdout,
      stderr: program.stderr,
      // `exit`, not `end`: a daemon that inherited stdout must not delay the answer.
      exit: program.exit.then(
        ({ code }) => code,
        (cause) => {
          throw new HamletError("lab.execFailed", `cannot start ${argv[0]}`, { cause });
        },
      ),
      kill: () => program.kill("SIGKILL"),
    };
  },
  connect: (path) => connect({ path, allowHalfOpen: true }),
};

/** util-linux `script` runs a program on a terminal and returns its exit code. */
function onTerminal(argv: string[], { rows, columns }: { rows: number; columns: number }): string[] {
  const quoted = argv.map(shellWord).join(" ");
  return ["script", "-qefc", `stty rows ${rows} cols ${columns}; exec ${quoted}`, "/dev/null"];
}
