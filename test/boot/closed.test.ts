// A machine without the lab's port, as every user's is: it comes up, and offers nobody a shell.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { labImage } from "../../cli/lab-start.ts";
import { labDevices } from "../../image/lab/devices.ts";
import { makeDisk } from "../../image/lab/disk.ts";
import { makeHub } from "../../image/lab/hub.ts";
import { freePort, machineArgv, machineFiles } from "../../image/lab/machine.ts";
import { run } from "../../system/command.ts";
import { eventually } from "../eventually.ts";

test("a machine without the lab's port comes up, and whoever types on its console gets no shell", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-closed-"));
  const [device] = labDevices(1);
  const files = machineFiles(device!.name);
  const pagePort = await freePort();
  const hub = makeHub();
  await hub.openPort(device!.name, join(folder, files.lan));
  await makeDisk(run, folder, device!, await labImage());
  const machine = { device: device!, folder, accelerator: "tcg", disk: "virtio", nic: "virtio" } as const;
  const argv = machineArgv({ ...machine, memoryMb: 512, pagePort, hasLabPort: false });
  expect(argv.join(" ")).not.toContain("virtserialport");
  // The console as a keyboard and a screen instead of a log.
  const [file, ...args] = argv.map((word) => (word === "chardev:console" ? "stdio" : word));
  const qemu = spawn("setpriv", ["--pdeathsig", "KILL", file!, ...args], { cwd: folder });
  try {
    const shown = listen(qemu);
    await pageAnswers(pagePort);
    for (const typed of ["\n", "root\n", "\n", "echo $((6*7)) $(id -u)\n"]) {
      qemu.stdin.write(typed);
      await pause(1_000);
    }
    expect(shown()).not.toMatch(/42 0|uid=0|login:|[#$] $/m);
    const answer = await fetch(`http://127.0.0.1:${pagePort}/v1/status`);
    expect(await answer.json()).toMatchObject({ phase: "unprovisioned" });
  } finally {
    qemu.kill("SIGKILL");
    await hub.close();
    await rm(folder, { recursive: true });
  }
});

function listen(qemu: ChildProcess): () => string {
  let shown = "";
  qemu.stdout!.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
  });
  return () => shown;
}

async function pageAnswers(pagePort: number): Promise<void> {
  const answers = async () =>
    (await fetch(`http://127.0.0.1:${pagePort}/`, { signal: AbortSignal.timeout(10_000) })).ok;
  await eventually(answers, { within: 300_000, every: 1_000 });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
