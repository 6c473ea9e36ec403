// Starts a supervisor in its own session, and reports whether it is ready or why it failed.
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { HamletError } from "../../../system/error.ts";
import { programFile } from "../../../system/package.ts";
import { startProgram } from "../../../system/program.ts";
import { type LabClient, labClient, labError } from "./client.ts";
import { alreadyRunning, lockHolder } from "./lock.ts";
import { labFolder, lockName, logName, type SupervisorOptions } from "./options.ts";

/** The supervisor's messages to the process that started it. */
const Ready = z.object({ ready: z.literal(true) });
const Failed = z.object({ error: z.unknown() });

/** Throws `lab.alreadyRunning` if a lab is running. */
export async function refuseSecondLab(folder = labFolder()): Promise<void> {
  const holder = await lockHolder(join(folder, lockName));
  if (holder !== undefined) throw alreadyRunning(holder);
}

/** Starts a supervisor in its own session and resolves when its machines have power. Throws `lab.alreadyRunning` or the supervisor's error. */
export async function startLab(
  options: Partial<SupervisorOptions> & Pick<SupervisorOptions, "images">,
): Promise<LabClient> {
  const folder = options.folder ?? labFolder();
  const program = programFile("supervisor.mjs", "image/lab/supervisor/supervisor.ts");
  if (!existsSync(program)) {
    throw new HamletError("lab.bootFailed", "the lab's supervisor is not beside this program", {
      hint: "install the hamlet package, or type npm start in a checkout",
    });
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const logFile = openSync(join(folder, logName), "a", 0o600);
  const ready = Promise.withResolvers<void>();
  const supervisor = startProgram([process.execPath, program, JSON.stringify({ ...options, folder })], {
    ownGroup: true,
    stdout: logFile,
    stderr: logFile,
    onMessage(message) {
      if (Ready.safeParse(message).success) ready.resolve();
      else ready.reject(labError(Failed.safeParse(message).data?.error));
    },
  });
  closeSync(logFile);
  supervisor.exit.then(() => {
    const hint = `see ${join(folder, logName)}`;
    ready.reject(new HamletError("lab.bootFailed", "the lab's supervisor ended", { hint }));
  }, ready.reject);
  try {
    await ready.promise;
  } finally {
    supervisor.release();
  }
  return labClient(folder);
}
