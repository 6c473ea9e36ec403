// The QEMU machine and firmware for each board.
import { HamletError } from "../../../system/error.ts";
import { type Board, boardNamed } from "../../boards.ts";

type QemuBoard = {
  program: string;
  machine: string;
  /** Without KVM: the smallest processor that runs the image. */
  cpu: string;
  /** The host architecture on which KVM can run it. */
  kvmOn: NodeJS.Architecture;
};
export type UefiMachine = QemuBoard & {
  kind: "uefi";
  firmware: { code: string; vars: string };
  /** QEMU's arguments for the board's watchdog. */
  watchdog: readonly string[];
};
export type PiMachine = QemuBoard & { kind: "pi" };
type LabBoard = UefiMachine | PiMachine;

const machines: Record<string, LabBoard> = {
  nuc: {
    kind: "uefi",
    program: "qemu-system-x86_64",
    machine: "q35",
    // QEMU emulates each AVX instruction by a call; without AVX, programs save a tenth of a boot's processor time.
    cpu: "max,-avx,-avx2",
    kvmOn: "x64",
    // Debian and Ubuntu put OVMF here; 4 MB, without Secure Boot.
    firmware: { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", vars: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
    // The chipset has a watchdog; before 8.0, QEMU disables its reset.
    watchdog: ["-global", "ICH9-LPC.noreboot=off"],
  },
  "virt-arm64": {
    kind: "uefi",
    program: "qemu-system-aarch64",
    machine: "virt",
    // QEMU's own algorithm for pointer authentication: the architecture's takes half of the processor time.
    cpu: "max,pauth-impdef=on",
    kvmOn: "arm64",
    firmware: { code: "/usr/share/AAVMF/AAVMF_CODE.fd", vars: "/usr/share/AAVMF/AAVMF_VARS.fd" },
    watchdog: ["-device", "i6300esb"],
  },
  // QEMU emulates processor and memory but not the Pi's firmware: see firmware/.
  rpi3: { kind: "pi", program: "qemu-system-aarch64", machine: "raspi3b", cpu: "cortex-a53", kvmOn: "arm64" },
};

export const labBoardNames = Object.keys(machines);

/** Throws `usage.invalid` for a board that QEMU cannot emulate. */
export function labBoard(name: string): { board: Board; machine: LabBoard } {
  const board = boardNamed(name);
  const machine = machines[name];
  if (machine) return { board, machine };
  throw new HamletError("usage.invalid", `QEMU cannot emulate the ${board.describe}`, {
    hint: `the lab has ${labBoardNames.join(", ")}`,
    exitCode: 2,
  });
}
