// One virtual device: a QEMU machine with UEFI firmware, a copy-on-write disk over the image, and the lab's cables.
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import type { Argv } from "../../system/command.ts";
import { type Accelerator, firmware } from "./accelerator.ts";
import type { LabDevice } from "./devices.ts";

export type DiskKind = "virtio" | "nvme" | "usb";
export type NicKind = "virtio" | "e1000e";
export type MachineSpec = {
  device: LabDevice;
  /** Where its overlay, firmware variables, sockets and console log are; the supervisor's working folder. */
  folder: string;
  accelerator: Accelerator;
  disk: DiskKind;
  nic: NicKind;
  memoryMb: number;
  /** Port on 127.0.0.1 that leads to the device's public page. */
  pagePort: number;
  /** Without it the machine is what a user's is: no virtio-serial port, no way in. */
  hasLabPort: boolean;
};

/** Files of a machine, relative to its folder: a unix socket's whole path may have 107 bytes only. */
export const machineFiles = (name: string) => ({
  overlay: `${name}.qcow2`,
  vars: `${name}.vars.fd`,
  console: `${name}.console.log`,
  lan: `${name}.lan`,
  port: `${name}.port`,
});

export function machineArgv(spec: MachineSpec): Argv {
  const { device, accelerator } = spec;
  const files = machineFiles(device.name);
  const nic = spec.nic === "virtio" ? "virtio-net-pci" : "e1000e";
  const argument = (name: string, ...values: string[]) => [`-${name}`, values.join(",")];
  return [
    "qemu-system-x86_64",
    ...["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"],
    ...argument("name", `hamlet-${device.name}`),
    ...["-machine", "q35"],
    // QEMU would keep up to a GiB of translated code; a quarter of that is as fast and lets six devices fit into memory.
    ...argument("accel", ...(accelerator === "kvm" ? ["kvm"] : ["tcg", "tb-size=256"])),
    ...argument("cpu", accelerator === "kvm" ? "host" : "max"),
    // One core is fastest without KVM; it is also the smallest device we promise.
    ...["-smp", "1", "-m", String(spec.memoryMb)],
    ...argument("drive", "if=pflash", "format=raw", "unit=0", "readonly=on", `file=${firmware.code}`),
    ...argument("drive", "if=pflash", "format=raw", "unit=1", `file=${files.vars}`),
    ...argument("smbios", "type=1", "manufacturer=Hamlet", "product=Lab", `serial=${device.serial}`),
    ...["-uuid", device.uuid],
    ...["-device", "virtio-rng-pci"],
    ...diskArguments(spec.disk, files.overlay),
    ...argument("netdev", "stream", "id=lan", "server=off", "addr.type=unix", `addr.path=${files.lan}`),
    // No option ROM: nothing boots from the network here, and the firmware need not try.
    ...argument("device", nic, "netdev=lan", `mac=${device.lanMac}`, "romfile="),
    ...argument(
      "netdev",
      ...["user", "id=page", "restrict=on", "ipv6=off", `net=${device.pageNet}`],
      `hostfwd=tcp:127.0.0.1:${spec.pagePort}-:80`,
    ),
    ...argument("device", nic, "netdev=page", `mac=${device.pageMac}`, "romfile="),
    ...argument("chardev", "file", "id=console", `path=${files.console}`, "append=on"),
    ...["-serial", "chardev:console"],
    ...(spec.hasLabPort
      ? [
          ...argument("chardev", "socket", "id=lab", `path=${files.port}`, "server=on", "wait=off"),
          ...["-device", "virtio-serial-pci"],
          ...argument("device", "virtserialport", "chardev=lab", "name=org.hamlet.lab"),
        ]
      : []),
  ] as unknown as Argv;
}

function diskArguments(kind: DiskKind, overlay: string): string[] {
  // Write-back with flushes: killing QEMU is then a power cut, and what the guest has flushed survives it.
  const drive = ["-drive", `if=none,id=disk,format=qcow2,discard=unmap,file=${overlay}`];
  switch (kind) {
    case "virtio":
      return [...drive, "-device", "virtio-blk-pci,drive=disk,bootindex=0"];
    case "nvme":
      return [...drive, "-device", "nvme,drive=disk,serial=lab,bootindex=0"];
    case "usb":
      return [...drive, "-device", "qemu-xhci", "-device", "usb-storage,drive=disk,bootindex=0"];
  }
}

export type Machine = {
  pid: number;
  /** Resolves when QEMU has ended, with how, and the last it said. */
  ended: Promise<string>;
  /** Pulls the plug. */
  cut(): Promise<void>;
};

export function startMachine(spec: MachineSpec): Machine {
  const child = spawnBound(machineArgv(spec), spec.folder);
  let told = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    told = (told + text).slice(-2_000);
  });
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => {
      const how = signal ? `ended by ${signal}` : `exit code ${code}`;
      resolve(told.trim() ? `${how}: ${told.trim()}` : how);
    });
  });
  return {
    pid: child.pid ?? 0,
    ended,
    async cut() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Starts a program that the kernel kills when this process dies, whatever way it dies. */
export function spawnBound([file, ...args]: Argv, cwd: string): ChildProcess {
  return spawn("setpriv", ["--pdeathsig", "KILL", file, ...args], { cwd, stdio: ["ignore", "ignore", "pipe"] });
}

/** A port on 127.0.0.1 that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
