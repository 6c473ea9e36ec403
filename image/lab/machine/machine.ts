// Starts a QEMU machine with its board's firmware, its disk and its network.
import { createServer } from "node:net";
import { describeError } from "../../../system/error.ts";
import { type Argv, type Program, startProgram } from "../../../system/program.ts";
import type { Accelerator } from "./accelerator.ts";
import { labBoard, type PiMachine, type UefiMachine } from "./boards.ts";
import type { LabDevice } from "./devices.ts";
import { openQmp, type Qmp } from "./qmp.ts";

export type DiskKind = "virtio" | "nvme" | "usb";
export type NicKind = "virtio" | "e1000e";
export type MachineSpec = {
  device: LabDevice;
  /** The supervisor's working folder, with overlay, firmware variables, sockets and console log. */
  folder: string;
  accelerator: Accelerator;
  disk: DiskKind;
  nic: NicKind;
  memoryMb: number;
  /** Port on 127.0.0.1 that forwards to the device's public page. */
  pagePort: number;
  /** Writes go to the session over the disk, and into its log. Not on a Raspberry Pi, whose firmware reads the card too. */
  hasSession?: boolean;
  /** Its clock counts its instructions, so that what it times does not depend on other programs. Not with KVM, nor on a Raspberry Pi. */
  isCounted?: boolean;
  /** Without it the machine is like a user's: no virtio-serial port, no way in. */
  hasLabPort: boolean;
};

/** Files of a machine, relative to its folder, because a unix socket's path may have only 107 bytes. */
export const machineFiles = (name: string) => ({
  overlay: `${name}.qcow2`,
  session: `${name}.session.qcow2`,
  writes: `${name}.writes`,
  card: `${name}.card.img`,
  kernel: `${name}.kernel`,
  initrd: `${name}.initrd`,
  deviceTree: `${name}.dtb`,
  vars: `${name}.vars.fd`,
  console: `${name}.console.log`,
  lan: `${name}.lan`,
  state: `${name}.state`,
  port: `${name}.port`,
});

const argument = (name: string, ...values: string[]) => [`-${name}`, values.join(",")];
const quiet = ["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"];

/** A machine that starts from its disk by UEFI firmware. */
export function machineArgv(spec: MachineSpec): Argv {
  const { device, accelerator } = spec;
  const machine = labBoard(device.board).machine as UefiMachine;
  const files = machineFiles(device.name);
  const nic = spec.nic === "virtio" ? "virtio-net-pci" : "e1000e";
  const isNative = accelerator === "kvm" && process.arch === machine.kvmOn;
  return [
    machine.program,
    ...quiet,
    ...argument("name", `hamlet-${device.name}`),
    ...["-machine", machine.machine],
    // QEMU's default cache of translated code is 1 GiB; a quarter of that is as fast and lets six devices fit into memory.
    ...argument("accel", ...(isNative ? ["kvm"] : ["tcg", "tb-size=256"])),
    ...["-cpu", isNative ? "host" : machine.cpu],
    // One core is fastest without KVM, and is the smallest device we support.
    ...["-smp", "1", "-m", String(spec.memoryMb)],
    // 2 ns an instruction, about what emulation takes.
    ...(spec.isCounted && !isNative ? ["-icount", "shift=1"] : []),
    ...argument("drive", "if=pflash", "format=raw", "unit=0", "readonly=on", `file=${machine.firmware.code}`),
    ...argument("drive", "if=pflash", "format=raw", "unit=1", `file=${files.vars}`),
    // By this name a system on a board without CPUID recognises a virtual machine.
    ...argument("smbios", "type=1", "manufacturer=QEMU", "product=Hamlet lab", `serial=${device.serial}`),
    ...["-uuid", device.uuid],
    // The clock stops while the machine is paused or saved.
    ...argument("rtc", "base=utc", "clock=vm"),
    ...["-device", "virtio-rng-pci"],
    ...machine.watchdog,
    ...diskArguments(spec.disk, spec.hasSession ? sessionDrive(files) : [`file=${files.overlay}`, "format=qcow2"]),
    // No option ROM, so that the firmware does not try to boot from the network.
    ...networkArguments(spec, (id, mac) => argument("device", nic, `netdev=${id}`, `mac=${mac}`, "romfile=")),
    ...consoleArguments(files.console),
    ...["-serial", "chardev:console"],
    ...(spec.hasLabPort
      ? [
          ...portArguments(files.port),
          ...["-device", "virtio-serial-pci"],
          ...argument("device", "virtserialport", "chardev=lab", "name=org.hamlet.lab"),
        ]
      : []),
  ] as unknown as Argv;
}

/** A Raspberry Pi that starts the files loaded by its firmware. A reset ends QEMU, and the firmware chooses again. */
export function piArgv(spec: MachineSpec, commandLine: string): Argv {
  const { device } = spec;
  const machine = labBoard(device.board).machine as PiMachine;
  const files = machineFiles(device.name);
  return [
    machine.program,
    ...quiet,
    ...argument("name", `hamlet-${device.name}`),
    ...["-machine", machine.machine, "-no-reboot"],
    ...argument("accel", "tcg", "tb-size=256"),
    ...["-kernel", files.kernel, "-initrd", files.initrd, "-dtb", files.deviceTree, "-append", commandLine],
    ...argument("drive", "if=sd", "format=raw", `file=${files.card}`),
    ...networkArguments(spec, (id, mac) => argument("device", "usb-net", `netdev=${id}`, `mac=${mac}`)),
    ...consoleArguments(files.console),
    // The first is the PL011 for the lab; the second the mini UART, the kernel's console.
    ...(spec.hasLabPort ? [...portArguments(files.port), "-serial", "chardev:lab"] : ["-serial", "null"]),
    ...["-serial", "chardev:console"],
  ] as unknown as Argv;
}

function networkArguments(spec: MachineSpec, card: (netdev: string, mac: string) => string[]): string[] {
  const { device, pagePort } = spec;
  return [
    ...argument(
      "netdev",
      ...["stream", "id=lan", "server=off", "addr.type=unix"],
      `addr.path=${machineFiles(device.name).lan}`,
    ),
    ...card("lan", device.lanMac),
    ...argument(
      "netdev",
      ...["user", "id=page", "restrict=on", "ipv6=off", `net=${device.pageNet}`],
      `hostfwd=tcp:127.0.0.1:${pagePort}-:80`,
    ),
    ...card("page", device.pageMac),
  ];
}

const consoleArguments = (path: string) => argument("chardev", "file", "id=console", `path=${path}`, "append=on");
const portArguments = (path: string) =>
  argument("chardev", "socket", "id=lab", `path=${path}`, "server=on", "wait=off");

function diskArguments(kind: DiskKind, place: string[]): string[] {
  // Write-back with flushes: what a guest flushed survives the end of QEMU.
  const drive = argument("drive", "if=none", "id=disk", "discard=unmap", ...place);
  switch (kind) {
    case "virtio":
      return [...drive, "-device", "virtio-blk-pci,drive=disk,bootindex=0"];
    case "nvme":
      return [...drive, "-device", "nvme,drive=disk,serial=lab,bootindex=0"];
    case "usb":
      return [...drive, "-device", "qemu-xhci", "-device", "usb-storage,drive=disk,bootindex=0"];
  }
}

/** The log needs no flushes to this computer's disk: it outlives QEMU, not this computer. */
const sessionDrive = ({ session, writes }: ReturnType<typeof machineFiles>): string[] => [
  ...[
    "driver=blklogwrites",
    "log-sector-size=512",
    "log.driver=file",
    `log.filename=${writes}`,
    "log.cache.no-flush=on",
  ],
  ...["file.driver=qcow2", "file.file.driver=file", `file.file.filename=${session}`],
];

export type Machine = {
  pid: number;
  /** Sends commands to its QEMU; undefined for a Raspberry Pi, which gets a new QEMU after each reset. */
  qmp?: Qmp;
  /** Resolves when QEMU has ended, with the reason and its last output. */
  ended: Promise<string>;
  /** Cuts the power. */
  cut(): Promise<void>;
};

/** `isWaiting`: it is paused until a saved state is loaded and it is told to run. */
export function startMachine(spec: MachineSpec, { isWaiting = false } = {}): Machine {
  const [file, ...args] = machineArgv(spec);
  const words = ["-qmp", "stdio", ...(isWaiting ? ["-S", "-incoming", "defer"] : [])];
  const options = { cwd: spec.folder, onOurDeath: "KILL", stdin: "pipe", stdout: "pipe" } as const;
  const qemu = startProgram([file, ...args, ...words], options);
  return { ...watchOver(qemu), qmp: openQmp(qemu.stdin, qemu.stdout) };
}

export const startQemu = (argv: Argv, cwd: string): Machine =>
  watchOver(startProgram(argv, { cwd, onOurDeath: "KILL" }));

function watchOver(qemu: Pick<Program, "pid" | "end" | "kill" | "lastWords">): Machine {
  const ended = qemu.end.then(({ code, signal }) => {
    const how = signal ? `ended by ${signal}` : `exit code ${code}`;
    const told = qemu.lastWords();
    return told ? `${how}: ${told}` : how;
  }, describeError);
  return {
    pid: qemu.pid ?? 0,
    ended,
    async cut() {
      qemu.kill("SIGKILL");
      await ended;
    },
  };
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
