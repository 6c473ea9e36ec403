// A virtual neighborhood: devices on one LAN, their power, their cables, and what they say of each other.
import { join } from "node:path";
import { type Clock, every } from "../../system/clock.ts";
import type { Run } from "../../system/command.ts";
import type { Doors } from "../../system/doors.ts";
import type { Log } from "../../system/log.ts";
import type { Accelerator } from "./accelerator.ts";
import { type LabDevice, labDevices, unknownDevice } from "./devices.ts";
import { labLan } from "./dhcp.ts";
import { makeDisk } from "./disk.ts";
import { makeLan } from "./lan.ts";
import { type DiskKind, freePort, machineFiles, type NicKind } from "./machine.ts";
import { type Finding, newSight, type Sight, see } from "./sight.ts";
import { standings } from "./standing.ts";
import type { LabEvent, LabStatus } from "./status.ts";
import { makeVirtualDevice, type VirtualDevice } from "./virtual-device.ts";

export type LabOptions = {
  /** The working folder of this process: sockets are named relative to it, since a socket's path may have 107 bytes only. */
  folder: string;
  /** The devices' images in turn, each with its board. */
  images: { path: string; board: string }[];
  devices: number;
  accelerator: Accelerator;
  disk: DiskKind;
  nic: NicKind;
  memoryMb: number;
  hasLabPort: boolean;
  /** Fills in a device's provision block, on its fresh disk. */
  provision: (device: LabDevice, image: string) => Promise<void>;
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

const lookMs = 1_000;
/** Once all is well every fourth look is enough: each costs an emulated device some of its only processor. */
const settledLooks = 4;
const maxEvents = 10_000;
const joinPort = "join.lan";

export async function makeLab(options: LabOptions): Promise<Lab> {
  const { folder, clock, log, run, images, provision, accelerator, disk, nic, memoryMb, hasLabPort } = options;
  const startedMs = clock.monotonic();
  const nowS = () => Math.round(clock.monotonic() - startedMs) / 1000;
  const described = labDevices(
    options.devices,
    images.map(({ board }) => board),
  );
  const imageOf = (device: LabDevice): string => images[described.indexOf(device) % images.length]!.path;
  const devices = new Map<string, VirtualDevice>();
  const listeners = new Set<(event: LabEvent) => void>();
  const events: LabEvent[] = [];
  let sights: Sight[] = described.map(({ name }) => newSight(name));
  let joined = 0;

  const find = (name: string, finding: Finding) => {
    const [next, news] = see(sights, name, finding, nowS());
    sights = next;
    for (const event of news) {
      if (event.what === "ended") log.warn(`${name}'s machine ended by itself: ${event.detail}`);
      events.push(event);
      if (events.length > maxEvents) events.shift();
      for (const listener of listeners) listener(event);
    }
  };
  const deviceOf = (name: string): VirtualDevice => {
    const device = devices.get(name);
    if (!device) throw unknownDevice(name, [...devices.keys()]);
    return device;
  };

  const hub = makeLan(described.map(({ lanMac }) => lanMac));
  for (const device of described) {
    await hub.openPort(device.name, machineFiles(device.name).lan);
    await makeDisk(run, folder, device, imageOf(device));
    await provision(device, imageOf(device));
    const spec = { device, folder, accelerator, disk, nic, memoryMb, hasLabPort, pagePort: await freePort() };
    devices.set(
      device.name,
      makeVirtualDevice(spec, (finding) => find(device.name, finding)),
    );
  }
  await hub.openPort("join", joinPort);
  // Its first frame says that a device's kernel is up; the many after it say nothing new.
  hub.watch((port) => {
    if (sights.some(({ name, isOn, reached }) => name === port && isOn && reached.kernel === undefined)) {
      find(port, { kind: "frame" });
    }
  });

  const isSettled = () => sights.every(({ reached }) => reached.telemetry !== undefined);
  const watches = [...devices].map(([name, device]) => {
    let looks = 0;
    const look = async () => {
      if (!isSettled() || ++looks % settledLooks === 0) await device.look();
    };
    return every(lookMs, look, (error) => log.debug(`${name}: ${String(error)}`));
  });
  await Promise.all([...devices.values()].map((device) => device.powerOn()));

  return {
    status: () => ({
      v: 1,
      pid: process.pid,
      elapsedS: nowS(),
      accelerator,
      devices: standings(sights, nowS()).map((standing) => {
        const { device, pagePort } = deviceOf(standing.name).spec;
        const console = join(folder, machineFiles(device.name).console);
        const about = { board: device.board, image: imageOf(device), serial: device.serial };
        return { ...standing, ...about, page: `http://127.0.0.1:${pagePort}/`, console };
      }),
    }),
    follow(listener) {
      for (const event of events) listener(event);
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    cut: (name) => deviceOf(name).powerOff(),
    restore: (name) => deviceOf(name).powerOn(),
    setPartitioned(name, isPartitioned) {
      deviceOf(name);
      hub.setCut(name, isPartitioned);
      find(name, { kind: "cable", isPartitioned });
    },
    doors: (name) => deviceOf(name).doors,
    join: () => ({ socket: join(folder, joinPort), address: `${labLan.prefix}.${200 + (joined++ % 50)}/24` }),
    async close() {
      for (const watch of watches) watch.stop();
      await Promise.all([...devices.values()].map((device) => device.powerOff()));
      await hub.close();
    },
  };
}
