// Tests whether KVM works here. A /dev/kvm may exist, run a few instructions, and then hang or fail in a real firmware. So UEFI
// itself is the test: with a working KVM it prints to the serial line within two seconds.
import { access, constants, copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProgram } from "../../../system/program.ts";
import { labBoard, type UefiMachine } from "./boards.ts";

export type Accelerator = "kvm" | "tcg";

const probeDeadlineMs = 10_000;

export async function chooseAccelerator(device = "/dev/kvm"): Promise<Accelerator> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
  } catch {
    return "tcg";
  }
  const { firmware } = nuc();
  const folder = await mkdtemp(join(tmpdir(), "hamlet-kvm-"));
  try {
    await copyFile(firmware.vars, join(folder, "vars.fd"));
    return (await firmwareSpeaks(folder)) ? "kvm" : "tcg";
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const nuc = () => labBoard("nuc").machine as UefiMachine;

function firmwareSpeaks(folder: string): Promise<boolean> {
  const { firmware, program } = nuc();
  const qemu = startProgram(
    [
      ...([program, "-nodefaults", "-no-user-config", "-display", "none"] as const),
      ...["-machine", "q35,accel=kvm", "-cpu", "host", "-m", "128", "-serial", "stdio"],
      ...["-drive", `if=pflash,format=raw,unit=0,readonly=on,file=${firmware.code}`],
      ...["-drive", `if=pflash,format=raw,unit=1,file=vars.fd`],
    ],
    {
      cwd: folder,
      stdout: "pipe",
      onOurDeath: "KILL",
      onStderrLine: (line) => line.includes("KVM internal error") && qemu.kill("SIGKILL"),
    },
  );
  return new Promise((resolve) => {
    const decide = (answer: boolean) => {
      clearTimeout(timer);
      resolve(answer);
      qemu.kill("SIGKILL");
    };
    const timer = setTimeout(() => decide(false), probeDeadlineMs);
    qemu.stdout.on("data", () => decide(true));
    const isOver = () => decide(false);
    qemu.exit.then(isOver, isOver);
  });
}
