// Tunes a real kernel: applies, reverts, and reverts after a SIGKILL, comparing key by key each time.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { Warnings } from "../../../agent/health/warnings.ts";
import { Journal } from "../../../agent/kernel/journal.ts";
import { openKernel } from "../../../agent/kernel/kernel.ts";
import { startTuning } from "../../../agent/tuning/tuning.ts";
import { systemClock } from "../../../system/clock.ts";
import { run as plainRun, type Run } from "../../../system/command.ts";
import { makeLog } from "../../../system/log.ts";
import { type Tell, telling } from "../tell.ts";

const agentUid = 1234;

export default async function tuning(tell: Tell) {
  const run = telling(tell, plainRun);
  const folder = await mkdtemp("/tmp/tuning-");
  await chown(folder, agentUid, agentUid);
  await run(["sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic"]);
  const before = await netSysctls(run);

  const inProcess = await start(join(folder, "one.json"), "auto");
  const applied = inProcess.tuning.applied();
  tell("applied");
  const during = changed(before, await netSysctls(run));
  await inProcess.tuning.stop();
  const afterStop = changed(before, await netSysctls(run));

  // Run as the agent's user with one capability, to show that it may write these keys.
  const journal = join(folder, "two.json");
  const script = join(import.meta.dirname, "tuned.ts");
  const user = ["--reuid", `${agentUid}`, "--regid", `${agentUid}`, "--clear-groups", "--no-new-privs"];
  const caps = ["--inh-caps", "-all,+net_admin", "--ambient-caps", "+net_admin", "--bounding-set", "-all,+net_admin"];
  const agent = spawn("setpriv", [...user, ...caps, process.execPath, script, journal], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(agent.stdout, "data");
  tell("applied by a separate process");
  agent.kill("SIGKILL");
  await once(agent, "exit");
  const afterKill = changed(before, await netSysctls(run));
  const next = await start(journal, "off");
  const afterNextStart = changed(before, await netSysctls(run));
  return { applied, during, afterStop, afterKill, afterNextStart, warnings: [...inProcess.codes(), ...next.codes()] };
}

export async function start(journalPath: string, profile: string) {
  const log = makeLog("tuning");
  const warnings = new Warnings(systemClock, log);
  const kernel = openKernel(plainRun);
  const journal = await Journal.open(journalPath, kernel, warnings, log);
  const tuning = await startTuning({ profile, journal, sysctls: kernel.sysctls, log, warnings });
  return { tuning, codes: () => warnings.list().map(({ code }) => code) };
}

async function netSysctls(run: Run): Promise<Map<string, string>> {
  const all = await run(["sysctl", "-a", "--pattern", "^net\\."]);
  return new Map(
    all.split("\n").flatMap((line) => {
      const [, key, value] = /^(\S+) = (.*)$/.exec(line) ?? [];
      return key && value !== undefined ? [[key, value]] : [];
    }),
  );
}

const changed = (before: Map<string, string>, after: Map<string, string>): string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key)).sort();
