// A compromised agent: a process of the agent's user with only that user's rights. It uses Perl for direct system calls.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** Any user that owns nothing here. */
export const agentUser = { uid: 54321, gid: 54321 };

/** Runs `script` as the agent's user in `folder`; it must succeed. */
export function asAgent(folder: string, script: string, ...args: string[]): void {
  const { status, stderr } = spawnSync("perl", ["-MPOSIX", "-e", script, ...args], {
    ...agentUser,
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the attack itself failed: ${stderr}`);
}

/** Runs `script` in a loop; resolves once it has begun, and stops when disposed. */
export async function attackOn(folder: string, again: string, ...args: string[]): Promise<AsyncDisposable> {
  const script = `$| = 1; $SIG{TERM} = sub { exit 0 }; print "begun\\n"; while (getppid() != 1) { ${again} }`;
  const child: ChildProcess = spawn("perl", ["-MPOSIX", "-e", script, ...args], {
    ...agentUser,
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  return {
    async [Symbol.asyncDispose]() {
      child.kill();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}
