// A lab for tests: it has its own state folder, ends with the test, and offers access to the devices as functions.
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Status } from "../../agent/api/schema.ts";
import { statesFolder } from "../../image/lab/saved/states.ts";
import type { LabClient } from "../../image/lab/supervisor/client.ts";
import type { SupervisorOptions } from "../../image/lab/supervisor/options.ts";
import { startLab } from "../../image/lab/supervisor/start.ts";
import type { LabStatus } from "../../image/lab/supervisor/status.ts";
import { waitForLab } from "../../image/lab/supervisor/wait.ts";
import { isSavePending, isWhole } from "../../image/lab/supervisor/whole.ts";

export type Ended = { code: number; stdout: string; stderr: string };
export type TestLab = LabClient &
  AsyncDisposable & {
    /** Runs a program in a device. */
    on(name: string, ...argv: string[]): Promise<Ended>;
    /** Runs this project's command line against this lab. */
    hamlet(...argv: string[]): Promise<Ended>;
    /** The same on a terminal, with `typed` as input. */
    hamletOnTerminal(typed: string, ...argv: string[]): Promise<Ended>;
    /** A device's status from the command line; fails if the command prints anything to stderr. */
    statusOf(name: string): Promise<Status>;
    /** Waits until the lab's status passes `test`. */
    until(test: (status: LabStatus) => boolean): Promise<LabStatus>;
  };

const cli = fileURLToPath(new URL("../../cli/hamlet.ts", import.meta.url));

/**
 * With `from: "state"`, resumes a saved state within seconds. If there is none, the devices start from power, are whole when
 * this resolves, and are saved for the next test. `states` is the folder of saved states, by default the cache of `lab up`.
 */
export async function bootLab({
  from = "power",
  states = statesFolder(),
  ...options
}: Partial<Omit<SupervisorOptions, "states">> &
  Pick<SupervisorOptions, "images"> & { from?: "power" | "state"; states?: string }): Promise<TestLab> {
  const state = await mkdtemp(join(tmpdir(), "hamlet-boot-"));
  const saved = from === "state" ? { states: { folder: states, isFresh: false } } : {};
  const lab = await startLab({ ...options, ...saved, folder: join(state, "hamlet", "lab") });
  // This lab ends with the tests' process, however that ends.
  await lab.own();
  if (from === "state") await waitForLab(lab, (status) => isWhole(status) && !isSavePending(status));
  return {
    ...lab,
    async on(name, ...argv) {
      const channel = await lab.channel(name);
      try {
        const program = channel.exec({ argv });
        program.stdin.end();
        const [stdout, stderr, code] = await Promise.all([text(program.stdout), text(program.stderr), program.exit]);
        return { code, stdout, stderr };
      } finally {
        channel.close();
      }
    },
    hamlet: (...argv) => runHamlet(argv, { XDG_STATE_HOME: state }),
    async hamletOnTerminal(typed, ...argv) {
      const words = [process.execPath, cli, ...argv].join(" ");
      const child = spawn("script", ["-qec", words, "/dev/null"], { env: { ...process.env, XDG_STATE_HOME: state } });
      child.stdin.write(typed);
      return collect(child);
    },
    async statusOf(name) {
      const { code, stdout, stderr } = await runHamlet(["status", "--device", name, "--json"], {
        XDG_STATE_HOME: state,
      });
      if (code !== 0 || stderr !== "") throw new Error(`hamlet status ended with ${code}: ${stderr}`);
      return Status.parse(JSON.parse(stdout));
    },
    until: (test) => waitForLab(lab, test),
    async [Symbol.asyncDispose]() {
      await lab.down().catch(() => {});
      await rm(state, { recursive: true, force: true });
    },
  };
}

/** Runs this project's command, which must end well. */
export async function well(lab: TestLab, ...argv: string[]): Promise<void> {
  const { code, stdout, stderr } = await lab.hamlet(...argv);
  assert.equal(code, 0, `hamlet ${argv.join(" ")}: ${stdout}${stderr}`);
}

/** Runs a script in a device, which must end well; returns what it prints. */
export async function shell(lab: TestLab, name: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await lab.on(name, "sh", "-c", script);
  assert.equal(code, 0, stderr);
  return stdout;
}

export async function runHamlet(argv: string[], env: Record<string, string>): Promise<Ended> {
  const child = spawn(process.execPath, [cli, ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  return collect(child);
}

async function collect(child: ChildProcessByStdio<Writable | null, Readable, Readable>): Promise<Ended> {
  const code = new Promise<number>((resolve) => child.on("close", (exitCode) => resolve(exitCode ?? -1)));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

export const deviceOf = (status: LabStatus, name: string) => status.devices.find((device) => device.name === name)!;
