// Which QEMU machine stands for which board, and with which firmware.
import { HamletError } from "../../../system/error.ts";
import { type Board, boardNamed } from "../../boards.ts";

type QemuBoard = {
  program: string;
  machine: string;
  /** Without KVM: the least that runs the image. */
  cpu: string;
  /** Architecture of the computer on which KVM can run it. */
  kvmOn: NodeJS.Architecture;
};
export type UefiMachine = QemuBoard & {
  kind: "uefi";
  firmware: { code: string; vars: string };
  /** QEMU's words for what restarts the board when its system hangs. */
  watchdog: readonly string[];
};
export type PiMachine = QemuBoard & { kind: "pi" };
type LabBoard = UefiMachine | PiMachine;

const machines: Record<string, LabBoard> = {
  nuc: {
    kind: "uefi",
    program: "qemu-system-x86_64",
    machine: "q35",
    // Each AVX instruction is a call for QEMU: programs that find none take shorter ways, a tenth of a boot's processor time.
    cpu: "max,-avx,-avx2",
    kvmOn: "x64",
    // Debian and Ubuntu put OVMF here; 4 MB, without Secure Boot.
    firmware: { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", vars: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
    // The chipset has one; QEMU before 8.0 keeps it from restarting anything.
    watchdog: ["-global", "ICH9-LPC.noreboot=off"],
  },
  "virt-arm64": {
    kind: "uefi",
    program: "qemu-system-aarch64",
    machine: "virt",
    // Pointer authentication by QEMU's own algorithm: the architecture's takes half of the time.
    cpu: "max,pauth-impdef=on",
    kvmOn: "arm64",
    firmware: { code: "/usr/share/AAVMF/AAVMF_CODE.fd", vars: "/usr/share/AAVMF/AAVMF_VARS.fd" },
    watchdog: ["-device", "i6300esb"],
  },
  // Its own processor and memory, and nothing of the Pi's firmware: see firmware/.
  rpi3: { kind: "pi", program: "qemu-system-aarch64", machine: "raspi3b", cpu: "cortex-a53", kvmOn: "arm64" },
};

export const labBoardNames = Object.keys(machines);

/** Throws `usage.invalid` for a board that QEMU does not have. */
export function labBoard(name: string): { board: Board; machine: LabBoard } {
  const board = boardNamed(name);
  const machine = machines[name];
  if (machine) return { board, machine };
  throw new HamletError("usage.invalid", `QEMU has no ${board.describe}`, {
    hint: `the lab has ${labBoardNames.join(", ")}`,
    exitCode: 2,
  });
}
