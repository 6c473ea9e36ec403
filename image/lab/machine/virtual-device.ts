// A device of the lab, on or off: its machine, its channel, and the findings about it.
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import type { Doors } from "../../../system/doors.ts";
import { HamletError } from "../../../system/error.ts";
import { makeQueue } from "../../../system/queue.ts";
import { askAgent } from "../channel/agent-socket.ts";
import { type MachineChannel, openMachineChannel } from "../channel/machine-channel.ts";
import { beginSession, cutSession, pauseForCut } from "../power/session.ts";
import { loadRam, saveRam } from "../saved/ram.ts";
import type { Finding } from "../supervisor/observed.ts";
import type { CutReport } from "../supervisor/status.ts";
import { labBoard } from "./boards.ts";
import { copyDisk } from "./disk.ts";
import { type Machine, type MachineSpec, machineFiles, startMachine } from "./machine.ts";
import { startPi } from "./pi.ts";
import type { Qmp } from "./qmp.ts";

export type VirtualDevice = {
  spec: MachineSpec;
  /** Throws `lab.execFailed` while its guest agent does not answer. */
  doors: Doors;
  powerOn(): Promise<void>;
  /** Ends its machine; its disk is not used again, or keeps all that the machine handed over. */
  powerOff(): Promise<void>;
  /** Cuts the power: the disk holds what was flushed and, by `seed`, some of the rest. Without `seed`, or on a Raspberry Pi, all. */
  cut(seed?: number): Promise<CutReport>;
  /** Turns it on, paused, in the state saved in `saved`. Its disk must be the saved one. */
  wake(saved: string): Promise<void>;
  standStill(): Promise<void>;
  /** Pauses it and writes its whole state into the folder `target`. */
  save(run: Run, target: string): Promise<void>;
  /** Lets it run again, and sets its wall clock. */
  go(): Promise<void>;
  /** Reads its console and asks its agent. */
  look(): Promise<void>;
};

const [clockToleranceMs, clockTries] = [500, 10];

/** Makes a device that is off; findings go to `onFinding`. Its sockets are in the working folder. */
export function makeVirtualDevice(
  spec: MachineSpec,
  onFinding: (finding: Finding) => void,
  now: () => number,
  run: Run,
): VirtualDevice {
  const { folder } = spec;
  const { name } = spec.device;
  const isPi = labBoard(spec.device.board).machine.kind === "pi";
  const logged: MachineSpec = { ...spec, hasSession: !isPi };
  const files = machineFiles(name);
  let machine: Machine | undefined;
  let channel: MachineChannel | undefined;
  let consoleAt = 0;
  // The board's clock was paused too, so programs that read it after the wake-up get the wrong time.
  let isClockLate = false;
  // A dying machine still holds its disk.
  let lastEnd: Promise<unknown> = Promise.resolve();

  const channelNow = (): MachineChannel => {
    if (channel && machine) return channel;
    throw new HamletError("lab.execFailed", `${name} is off`, { hint: `hamlet lab power ${name}` });
  };
  const qmp: Qmp = (...words) => {
    if (machine?.qmp) return machine.qmp(...words);
    throw new HamletError("lab.machineRefused", `${name} is off`, { hint: `hamlet lab power ${name}` });
  };
  const begin = (mine: Machine, isAwake = false) => {
    machine = mine;
    lastEnd = mine.ended;
    isClockLate = isAwake;
    mine.ended.then((problem) => {
      if (machine !== mine) return;
      machine = undefined;
      closeChannel();
      onFinding({ kind: "power", isOn: false, problem });
    });
  };
  const closeChannel = () => {
    channel?.close();
    channel = undefined;
  };
  const openChannel = () => {
    channel = openMachineChannel(files.port, () => {
      if (isClockLate) tellTime();
    });
  };
  /** A busy device sets its clock late by the time that it took, so repeat until it was quick. */
  const setClock = async (triesLeft = clockTries) => {
    const toldAt = now();
    const clock = channelNow().exec({ argv: ["date", "--utc", `--set=@${(toldAt / 1000).toFixed(3)}`] });
    clock.stdin.end();
    await clock.exit;
    if (now() - toldAt > clockToleranceMs && triesLeft > 0) await setClock(triesLeft - 1);
  };
  // If it does not answer now, its clock is set when it answers again.
  const tellTime = () => void setClock().catch(() => {});
  const inOrder = makeQueue();
  const powerOff = async () => {
    const mine = machine;
    if (!mine) return;
    machine = undefined;
    closeChannel();
    await mine.cut();
    onFinding({ kind: "power", isOn: false });
  };
  return {
    spec,
    doors: {
      exec: (request) => channelNow().exec(request),
      connect: (path) => channelNow().connect(path),
    },
    powerOn: () =>
      inOrder(async () => {
        await lastEnd;
        if (machine) return;
        if (!isPi) await beginSession(run, folder, name);
        begin(isPi ? startPi(spec) : startMachine(logged));
        if (spec.hasLabPort) openChannel();
        onFinding({ kind: "power", isOn: true });
      }),
    wake: (saved) =>
      inOrder(async () => {
        await lastEnd;
        await beginSession(run, folder, name);
        const mine = startMachine(logged, { isWaiting: true });
        begin(mine, true);
        await loadRam(qmp, spec.folder, files.state, join(saved, files.state)).catch(async (cause) => {
          // QEMU's last output says more than that it has ended.
          await mine.cut();
          throw new HamletError("lab.machineRefused", `${name} did not load its state: ${await mine.ended}`, { cause });
        });
        onFinding({ kind: "power", isOn: true, isAwake: true });
      }),
    async standStill() {
      await qmp("stop");
      isClockLate = true;
    },
    async save(run, target) {
      await saveRam(qmp, spec.folder, files.state, join(target, files.state));
      // By now QEMU has written the last bytes of the disk too.
      await copyDisk(run, spec.folder, target, name);
    },
    async go() {
      await qmp("cont");
      if (!spec.hasLabPort) return;
      if (channel?.isReady()) tellTime();
      else if (!channel) openChannel();
    },
    powerOff: () => inOrder(powerOff),
    cut: (seed) =>
      inOrder(async () => {
        if (machine === undefined || isPi || seed === undefined) {
          await powerOff();
          return { kept: "all" };
        }
        const ownUntil = await pauseForCut(qmp, folder, name);
        await powerOff();
        return { kept: "flushed", seed, ...(await cutSession(folder, name, { seed, ownUntil })) };
      }),
    async look() {
      const mine = machine;
      if (!mine) return;
      const shown = await readFrom(join(spec.folder, files.console), consoleAt);
      consoleAt += shown.length;
      if (shown.length > 0) onFinding({ kind: "console", text: shown.toString("latin1") });
      const gist = channel?.isReady() ? await askAgent(channel) : undefined;
      // Ignore an answer that arrives after the power was cut.
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
