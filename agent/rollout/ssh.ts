// Whether somebody is logged in over SSH. A Hamlet device's sshd asks no PAM, so systemd-logind knows of no session: its unit's control
// group has a process for the server, and more for each connection.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** sshd ends a connection that has not logged in by then (LoginGraceTime): until then it may be any stranger's. */
const graceMs = 120_000;
/** By Debian's name and by NixOS's. */
const units = ["ssh.service", "sshd.service"];

/** Each call looks; a connection counts once it has been seen for longer than a stranger may hold one. */
export function makeSshWatch(monotonic: () => number, root = "/"): () => Promise<boolean> {
  let seen = new Map<string, number>();
  return async () => {
    const now = monotonic();
    const groups = await Promise.all(units.map((unit) => processesIn(join(root, "sys/fs/cgroup/system.slice", unit))));
    seen = new Map(groups.flat().map((process) => [process, seen.get(process) ?? now]));
    const isOld = (process: string) => now - seen.get(process)! > graceMs;
    // One of them is the server.
    return groups.some((processes) => processes.filter(isOld).length > 1);
  };
}

const processesIn = async (group: string): Promise<string[]> =>
  (await readFile(join(group, "cgroup.procs"), "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
