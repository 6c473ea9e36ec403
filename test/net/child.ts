// A long-running program: collects its output and exit status, and signals the program itself rather than nsenter.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Argv } from "../../system/command.ts";
import { eventually } from "../eventually.ts";

export type Child = {
  /** The program's own process id, seen from outside its namespaces. */
  pid(): number;
  /** Its stdout and stderr so far, in the order received. */
  output(): string;
  /** Waits for the first match of `pattern` in the output; fails with the last lines if the program ends or `within` ms pass. */
  says(pattern: RegExp, within?: number): Promise<RegExpMatchArray>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  ended: Promise<{ code: number | null; signal: string | null }>;
};

/** How long nsenter may take to start the program. */
const forkMs = 5_000;

export function spawnIn(argv: Argv, { env, cwd }: { env?: Record<string, string>; cwd?: string } = {}): Child {
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, LC_ALL: "C", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let hasEnded = false;
  /** The program has ended and all its output has been read. */
  let isSilent = false;
  child.once("close", () => (isSilent = true));
  const hear = (text: string) => (output = (output + text).slice(-2_000_000));
  child.stdout.setEncoding("utf8").on("data", hear);
  child.stderr.setEncoding("utf8").on("data", hear);
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("error", (error) => {
      hasEnded = true;
      hear(`${error}\n`);
      resolve({ code: null, signal: null });
    });
    child.once("exit", (code, signal) => {
      hasEnded = true;
      resolve({ code, signal });
    });
  });
  const startedAt = performance.now();
  const findInner = (): number | undefined => {
    const inner = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0];
    return inner ? Number(inner) : undefined;
  };
  const innerPid = (): number => {
    const inner = findInner();
    if (inner === undefined) throw new Error(`${argv.join(" ")} has no process`);
    return inner;
  };
  return {
    pid: innerPid,
    output: () => output,
    async says(pattern, within = 10_000) {
      const heard = await eventually(
        () => {
          const match = output.match(pattern);
          if (!match && !isSilent) throw new Error(`last lines:\n${output.slice(-2_000)}`);
          return { match };
        },
        { within, every: 20 },
      );
      // The program has ended, so waiting longer is pointless.
      if (!heard.match) throw new Error(`it ended:\n${output.slice(-2_000)}`);
      return heard.match;
    },
    async kill(signal = "SIGTERM") {
      // If nsenter were killed while it starts the program, the program would run on, unseen.
      while (!hasEnded && !findInner() && performance.now() - startedAt < forkMs) await sleep(10);
      if (hasEnded) return;
      try {
        process.kill(innerPid(), signal);
      } catch {
        child.kill("SIGKILL"); // it is the program itself, without nsenter
      }
      await ended;
    },
    ended,
  };
}
