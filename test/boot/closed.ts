// A machine without the lab's port, like every user's, starts and offers no shell.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labBoard } from "../../image/lab/machine/boards.ts";
import { labDevices } from "../../image/lab/machine/devices.ts";
import { makeDisk } from "../../image/lab/machine/disk.ts";
import { freePort, machineArgv, machineFiles } from "../../image/lab/machine/machine.ts";
import { loadPi } from "../../image/lab/machine/pi.ts";
import { makeHub } from "../../image/lab/network/hub.ts";
import { run } from "../../system/command.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";

/** Throws if a console offers a shell, or on a Raspberry Pi the other serial port, which the lab uses for its own port. */
export async function proveClosed(board: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-closed-"));
  const device = labDevices(1, [board])[0]!;
  const pagePort = await freePort();
  const hub = makeHub();
  await hub.openPort(device.name, join(folder, machineFiles(device.name).lan));
  try {
    await makeDisk(run, folder, device, await testImage(board));
    const machine = { device, folder, accelerator: "tcg", disk: "virtio", nic: "virtio", memoryMb: 512 } as const;
    const spec = { ...machine, pagePort, hasLabPort: false };
    const isPi = labBoard(board).machine.kind === "pi";
    const argv = isPi ? await loadPi(spec) : machineArgv(spec);
    assert.doesNotMatch(argv.join(" "), /virtserialport|chardev:lab/);
    // Connect its keyboard and screen to us instead of a log.
    const ports = isPi ? ["chardev:console", "null"] : ["chardev:console"];
    for (const port of ports) await offersNoShell(argv.with(argv.lastIndexOf(port), "stdio"), folder, pagePort);
  } finally {
    await hub.close();
    await rm(folder, { recursive: true });
  }
}

async function offersNoShell(argv: readonly string[], folder: string, pagePort: number): Promise<void> {
  const qemu = spawn("setpriv", ["--pdeathsig", "KILL", ...argv], { cwd: folder });
  const ended = new Promise((resolve) => qemu.on("close", resolve));
  try {
    const shown = listen(qemu);
    await pageAnswers(pagePort);
    for (const typed of ["\n", "root\n", "\n", "echo $((6*7)) $(id -u)\n"]) {
      qemu.stdin.write(typed);
      await pause(1_000);
    }
    assert.doesNotMatch(shown(), /42 0|uid=0|login:|[#$] $/m);
    const answer = await fetch(`http://127.0.0.1:${pagePort}/v1/status`);
    assert.partialDeepStrictEqual(await answer.json(), { phase: "unprovisioned" });
  } finally {
    qemu.kill("SIGKILL");
    await ended;
  }
}

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
