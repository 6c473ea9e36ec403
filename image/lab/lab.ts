// A virtual neighborhood: devices on one LAN, their power, their cables, and what they say of each other.
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, every } from "../../system/clock.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Accelerator } from "./accelerator.ts";
import { askAgent } from "./agent-socket.ts";
import type { Doors } from "./channel/doors.ts";
import { labDevices, unknownDevice } from "./devices.ts";
import { labLan, reserve, serveDhcp } from "./dhcp.ts";
import { type Hub, makeHub } from "./hub.ts";
import {
  type DiskKind,
  freePort,
  type Machine,
  type MachineSpec,
  machineFiles,
  makeDisk,
  type NicKind,
  startMachine,
} from "./machine.ts";
import { type MachineChannel, openMachineChannel } from "./machine-channel.ts";
import { type Finding, newSight, type Sight, see, standings } from "./sight.ts";
import type { LabEvent, LabStatus } from "./status.ts";

export type LabOptions = {
  /** The working folder of this process: sockets are named relative to it, since a socket's path may have 107 bytes only. */
  folder: string;
  image: string;
  devices: number;
  accelerator: Accelerator;
  disk: DiskKind;
  nic: NicKind;
  memoryMb: number;
  hasLabPort: boolean;
  /** Fills in a device's provision block, on its fresh disk. */
  provision: (name: string) => Promise<void>;
  run: Run;
  log: Log;
  clock: Clock;
};

export type Lab = {
  status(): LabStatus;
  /** All events so far, and each later one, until the returned function is called. */
  follow(listener: (event: LabEvent) => void): () => void;
  cut(name: string): Promise<void>;
  restore(name: string): Promise<void>;
  setPartitioned(name: string, isPartitioned: boolean): void;
  doors(name: string): Doors;
  /** A socket on the hub and an address for one more host on the LAN. */
  join(): { socket: string; address: string };
  close(): Promise<void>;
};

type Device = {
  spec: MachineSpec;
  machine: Machine | undefined;
  channel: MachineChannel | undefined;
  consoleAt: number;
  polls: number;
};

const pollMs = 1_000;
/** Once all is well every fourth poll is enough: each costs an emulated device some of its only processor. */
const settledPolls = 4;
const maxEvents = 10_000;
const joinPort = "join.lan";

export async function makeLab(options: LabOptions): Promise<Lab> {
  const { folder, clock, log, run } = options;
  const startedMs = clock.monotonic();
  const nowS = () => Math.round(clock.monotonic() - startedMs) / 1000;
  const descriptions = labDevices(options.devices);
  const devices = new Map<string, Device>();
  const listeners = new Set<(event: LabEvent) => void>();
  const events: LabEvent[] = [];
  let sights: Sight[] = descriptions.map(({ name }) => newSight(name));
  let joined = 0;

  const find = (name: string, finding: Finding) => {
    const [next, news] = see(sights, name, finding, nowS());
    sights = next;
    for (const event of news) {
      events.push(event);
      if (events.length > maxEvents) events.shift();
      for (const listener of listeners) listener(event);
    }
  };
  const deviceOf = (name: string): Device => {
    const device = devices.get(name);
    if (!device) throw unknownDevice(name, [...devices.keys()]);
    return device;
  };

  const hub = await startLan(descriptions.map(({ name, lanMac }) => ({ name, mac: lanMac })));
  hub.watch((port) => devices.has(port) && find(port, { kind: "frame" }));

  for (const device of descriptions) {
    await makeDisk(run, folder, device.name, options.image);
    await options.provision(device.name);
    const { accelerator, disk, nic, memoryMb, hasLabPort } = options;
    const spec = { device, folder, accelerator, disk, nic, memoryMb, hasLabPort, pagePort: await freePort() };
    devices.set(device.name, { spec, machine: undefined, channel: undefined, consoleAt: 0, polls: 0 });
  }

  function powerOn(name: string): void {
    const device = deviceOf(name);
    if (device.machine) return;
    const machine = startMachine(device.spec);
    device.machine = machine;
    if (device.spec.hasLabPort) device.channel = openMachineChannel(machineFiles(name).port);
    find(name, { kind: "power", isOn: true });
    machine.ended.then((told) => {
      if (device.machine !== machine) return;
      device.machine = undefined;
      device.channel?.close();
      log.warn(`${name}'s machine ended by itself: ${told}`);
      find(name, { kind: "power", isOn: false, problem: told });
    });
  }

  async function powerOff(name: string): Promise<void> {
    const device = deviceOf(name);
    const machine = device.machine;
    device.machine = undefined;
    device.channel?.close();
    await machine?.cut();
    if (machine) find(name, { kind: "power", isOn: false });
  }

  const isSettled = () => sights.every(({ reached }) => reached.telemetry !== undefined);
  async function poll(name: string, device: Device): Promise<void> {
    device.polls++;
    if (!device.machine || (isSettled() && device.polls % settledPolls > 0)) return;
    const text = await readFrom(join(folder, machineFiles(name).console), device.consoleAt);
    if (text.length > 0) {
      device.consoleAt += text.length;
      find(name, { kind: "console", text: text.toString("latin1") });
    }
    const machine = device.machine;
    const gist = device.channel?.isReady() ? await askAgent(device.channel) : undefined;
    if (gist && device.machine === machine) find(name, { kind: "status", gist });
  }

  const polls = [...devices].map(([name, device]) =>
    every(
      pollMs,
      () => poll(name, device),
      (error) => log.debug(`${name}: ${String(error)}`),
    ),
  );
  for (const name of devices.keys()) powerOn(name);

  return {
    status() {
      const standing = standings(sights, nowS());
      return {
        v: 1,
        pid: process.pid,
        elapsedS: nowS(),
        accelerator: options.accelerator,
        image: options.image,
        devices: standing.map((device) => {
          const { spec } = deviceOf(device.name);
          return {
            ...device,
            serial: spec.device.serial,
            page: `http://127.0.0.1:${spec.pagePort}/`,
            console: join(folder, machineFiles(device.name).console),
          };
        }),
      };
    },
    follow(listener) {
      for (const event of events) listener(event);
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    cut: powerOff,
    restore: async (name) => powerOn(name),
    setPartitioned(name, isPartitioned) {
      deviceOf(name);
      hub.setCut(name, isPartitioned);
      find(name, { kind: "cable", isPartitioned });
    },
    doors(name) {
      const device = deviceOf(name);
      return {
        exec: (request) => channelOf(name, device).exec(request),
        connect: (path) => channelOf(name, device).connect(path),
      };
    },
    join: () => ({ socket: join(folder, joinPort), address: `${labLan.prefix}.${200 + (joined++ % 50)}/24` }),
    async close() {
      for (const one of polls) one.stop();
      await Promise.all([...devices.keys()].map(powerOff));
      await hub.close();
    },
  };
}

function channelOf(name: string, device: Device): MachineChannel {
  if (device.channel && device.machine) return device.channel;
  throw new HamletError("lab.execFailed", `${name} is off`, { hint: `hamlet lab power ${name}` });
}

async function startLan(hosts: { name: string; mac: string }[]): Promise<Hub> {
  const hub = makeHub();
  let leases = reserve(
    labLan,
    hosts.map(({ mac }) => mac),
  );
  const send = hub.attach("dhcp", (frame) => {
    const [next, answer] = serveDhcp(labLan, leases, frame);
    leases = next;
    if (answer) send(answer);
  });
  for (const { name } of hosts) await hub.openPort(name, machineFiles(name).lan);
  await hub.openPort("join", joinPort);
  return hub;
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
