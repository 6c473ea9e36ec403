// One device of the lab while it has power and while it has not: its machine, its channel, and what can be seen of it.
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Doors } from "../../system/doors.ts";
import { HamletError } from "../../system/error.ts";
import { askAgent } from "./agent-socket.ts";
import { labBoard } from "./boards.ts";
import { type Machine, type MachineSpec, machineFiles, startMachine } from "./machine.ts";
import { type MachineChannel, openMachineChannel } from "./machine-channel.ts";
import { startPi } from "./pi.ts";
import type { Finding } from "./sight.ts";

export type VirtualDevice = {
  spec: MachineSpec;
  /** Throws `lab.execFailed` while its lab service does not answer. */
  doors: Doors;
  powerOn(): Promise<void>;
  /** As if the plug were pulled. */
  powerOff(): Promise<void>;
  /** Looks at its console and asks its agent. */
  look(): Promise<void>;
};

/** A device without power; whatever is seen of it goes to `onFinding`. Its sockets lie in the working folder. */
export function makeVirtualDevice(spec: MachineSpec, onFinding: (finding: Finding) => void): VirtualDevice {
  const { name } = spec.device;
  const files = machineFiles(name);
  let machine: Machine | undefined;
  let channel: MachineChannel | undefined;
  let consoleAt = 0;
  // A machine still dying holds its disk.
  let lastEnd: Promise<unknown> = Promise.resolve();

  const channelNow = (): MachineChannel => {
    if (channel && machine) return channel;
    throw new HamletError("lab.execFailed", `${name} is off`, { hint: `hamlet lab power ${name}` });
  };
  return {
    spec,
    doors: {
      exec: (request) => channelNow().exec(request),
      connect: (path) => channelNow().connect(path),
    },
    async powerOn() {
      await lastEnd;
      if (machine) return;
      const mine = labBoard(spec.device.board).machine.kind === "pi" ? startPi(spec) : startMachine(spec);
      machine = mine;
      lastEnd = mine.ended;
      if (spec.hasLabPort) channel = openMachineChannel(files.port);
      onFinding({ kind: "power", isOn: true });
      mine.ended.then((problem) => {
        if (machine !== mine) return;
        machine = undefined;
        channel?.close();
        onFinding({ kind: "power", isOn: false, problem });
      });
    },
    async powerOff() {
      const mine = machine;
      if (!mine) return;
      machine = undefined;
      channel?.close();
      await mine.cut();
      onFinding({ kind: "power", isOn: false });
    },
    async look() {
      const mine = machine;
      if (!mine) return;
      const shown = await readFrom(join(spec.folder, files.console), consoleAt);
      consoleAt += shown.length;
      if (shown.length > 0) onFinding({ kind: "console", text: shown.toString("latin1") });
      const gist = channel?.isReady() ? await askAgent(channel) : undefined;
      // An answer that comes after the plug was pulled is of no use.
      if (gist && machine === mine) onFinding({ kind: "status", gist });
    },
  };
}

async function readFrom(path: string, offset: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(64 << 10), 0, 64 << 10, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
