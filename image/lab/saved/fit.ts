// The fingerprint of everything that shapes a saved state, down to each argument of a machine.
import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { arch, cpus, release } from "node:os";
import type { Run } from "../../../system/command.ts";
import { isZero } from "../../disk/holes.ts";
import { labBoard, type UefiMachine } from "../machine/boards.ts";
import { type MachineSpec, machineArgv } from "../machine/machine.ts";

/** Version of a state's files, and of the supervisor's expectations of a restored machine. */
const format = 2;
const pieceBytes = 1 << 20;

export type Fit = {
  run: Run;
  machines: Omit<MachineSpec, "folder" | "pagePort">[];
  /** The devices' images in turn. */
  images: string[];
  isProvisioned: boolean;
};

/** The name of the state for these machines; undefined if QEMU cannot save them or their start is the thing to be shown. */
export async function fitOf({ run, machines, images, isProvisioned }: Fit): Promise<string | undefined> {
  if (!isProvisioned || !machines.every(isSavable)) return undefined;
  const boards = [...new Set(machines.map(({ device }) => device.board))];
  const uefi = boards.map((board) => labBoard(board).machine as UefiMachine);
  const [versions, firmware, imageDigests] = await Promise.all([
    Promise.all(uefi.map(({ program }) => run([program, "--version"]))),
    Promise.all(uefi.flatMap(({ firmware }) => [firmware.code, firmware.vars]).map(digestOf)),
    Promise.all(images.map(digestOf)),
  ]);
  const argv = machines.map((machine) => machineArgv({ ...machine, folder: "", pagePort: 0 }));
  // With KVM the guest depends on this very processor.
  const host = machines[0]?.accelerator === "kvm" ? [arch(), release(), cpus()[0]?.model, await processorFlags()] : [];
  const all = { format, argv, versions, firmware, images: imageDigests, host };
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 32);
}

/** QEMU cannot save a Pi, `nvme` and USB. Without the lab's port, it is unknown when to save, and the clock cannot be set. */
const isSavable = ({ device, disk, nic, hasLabPort }: Fit["machines"][number]): boolean =>
  labBoard(device.board).machine.kind === "uefi" && disk === "virtio" && nic === "virtio" && hasLabPort;

const processorFlags = async (): Promise<string> =>
  /^flags.*$/m.exec(await readFile("/proc/cpuinfo", "utf8"))?.[0] ?? "";

/** Digest of a sparse file: only the data and its offsets. */
async function digestOf(path: string): Promise<string> {
  await using file = await open(path, "r");
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(pieceBytes);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, pieceBytes, at);
    if (bytesRead === 0) return hash.update(`end ${at}`).digest("hex");
    const piece = buffer.subarray(0, bytesRead);
    if (!isZero(piece)) hash.update(`at ${at} `).update(piece);
    at += bytesRead;
  }
}
