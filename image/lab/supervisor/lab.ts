// A virtual neighborhood: devices on one LAN, their power and cables, and their status.
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, every } from "../../../system/clock.ts";
import type { Run } from "../../../system/command.ts";
import type { Doors } from "../../../system/doors.ts";
import { describeError } from "../../../system/error.ts";
import type { Log } from "../../../system/log.ts";
import type { Accelerator } from "../machine/accelerator.ts";
import { deviceExists, deviceNames, type LabDevice, labDevices, unknownDevice } from "../machine/devices.ts";
import { cloneDisk, layDisk, makeDisk } from "../machine/disk.ts";
import { type DiskKind, freePort, machineFiles, type NicKind } from "../machine/machine.ts";
import { makeVirtualDevice, type VirtualDevice } from "../machine/virtual-device.ts";
import { labLan } from "../network/dhcp.ts";
import { makeLan } from "../network/lan.ts";
import type { LineTerms } from "../network/line.ts";
import { isUnderWay } from "../power/moment.ts";
import type { Past } from "../saved/past.ts";
import { makeSaver } from "../saved/saver.ts";
import { saveTogether, wakeTogether } from "../saved/together.ts";
import { type LabWeb, noWeb, startWeb } from "../web/web.ts";
import { deviceStatuses } from "./device-status.ts";
import type { Adopt, ProvisionDevice } from "./neighborhood.ts";
import { type Finding, type Observed, observe, unobserved } from "./observed.ts";
import type { CutReport, LabEvent, LabStart, LabStatus } from "./status.ts";

type LabOptions = {
  /** The working folder of this process: sockets are relative to it, because a socket's path may have only 107 bytes. */
  folder: string;
  /** The devices' images in turn, each with its board. */
  images: { path: string; board: string }[];
  devices: number;
  accelerator: Accelerator;
  disk: DiskKind;
  nic: NicKind;
  memoryMb: number;
  hasLabPort: boolean;
  isCounted?: boolean;
  /** The folder that the web serves, if there is one. */
  web?: string | undefined;
  /** Fills the provision block on a device's new disk. */
  provision: ProvisionDevice;
  past: Past;
  run: Run;
  log: Log;
  clock: Clock;
};

export type Lab = {
  status(): LabStatus;
  /** All events so far, and each later one, until the returned function is called. */
  follow(listener: (event: LabEvent) => void): () => void;
  /** See VirtualDevice.cut. */
  cut(name: string, seed?: number): Promise<CutReport>;
  restore(name: string): Promise<void>;
  /** Plugs in one more device, whose name is one that the lab has for it. Throws `lab.deviceExists` or `lab.deviceUnknown`. */
  add(name: string, adopt: Adopt): Promise<void>;
  /**
   * Plugs in one more device, with a copy of this one's disk; returns its name. Throws `lab.deviceExists` if the lab has no place for it,
   * and `lab.machineRefused` for a device that is off.
   */
  clone(name: string): Promise<string>;
  setPartitioned(name: string, isPartitioned: boolean): void;
  /** Puts a device at the end of a bad line; without `terms`, of a good one again. */
  setLine(name: string, terms?: LineTerms): void;
  /** Pulls the web's cable, or plugs it in. Throws `lab.deviceUnknown`. */
  setWebPartitioned(isPartitioned: boolean): void;
  doors(name: string): Doors;
  /** A socket on the hub and an address for another host on the LAN. */
  join(): { socket: string; address: string };
  close(): Promise<void>;
};

const lookMs = 1_000;
/** When all devices are up, every fourth poll is enough: each takes processor time from an emulated device. */
const settledLooks = 4;
const maxEvents = 10_000;
const joinPort = "join.lan";

export async function makeLab(options: LabOptions): Promise<Lab> {
  const {
    folder,
    clock,
    log,
    run,
    images,
    provision,
    accelerator,
    disk,
    nic,
    memoryMb,
    hasLabPort,
    isCounted = false,
    past,
  } = options;
  const startedMs = clock.monotonic();
  const nowS = () => Math.round(clock.monotonic() - startedMs) / 1000;
  /** All that this lab can have; it begins with the first ones. */
  const known = labDevices(
    deviceNames.length,
    images.map(({ board }) => board),
  );
  const described = known.slice(0, options.devices);
  const imageOf = (device: LabDevice): string => images[known.indexOf(device) % images.length]!.path;
  const devices = new Map<string, VirtualDevice>();
  const listeners = new Set<(event: LabEvent) => void>();
  const events: LabEvent[] = [];
  let observed: Observed[] = described.map(({ name }) => unobserved(name));
  let joined = 0;
  const lines = new Map<string, LineTerms>();
  let web: LabWeb | undefined;
  const start: Omit<LabStart, "saving"> = { from: "power", ...(past.refused && { refused: past.refused }) };
  const { keep, state } = past;
  const save = keep && (() => keep((target) => saveTogether(run, folder, [...devices.values()], target)));
  const saver = makeSaver(save, log);

  const find = (name: string, finding: Finding) => {
    const [next, news] = observe(observed, name, finding, nowS());
    observed = next;
    for (const event of news) {
      if (event.what === "ended") log.warn(`${name}'s machine ended unexpectedly: ${event.detail}`);
      events.push(event);
      if (events.length > maxEvents) events.shift();
      for (const listener of listeners) listener(event);
    }
    saver.see(status(), nowS());
  };
  const status = (): LabStatus => ({
    v: 1,
    pid: process.pid,
    elapsedS: nowS(),
    accelerator,
    start: { ...start, ...saver.phase() },
    devices: deviceStatuses(observed, nowS()).map((current) => {
      const { device, pagePort } = deviceOf(current.name).spec;
      const console = join(folder, machineFiles(device.name).console);
      const about = { board: device.board, image: imageOf(device), serial: device.serial };
      const line = lines.get(device.name);
      return { ...current, ...about, ...(line && { line }), page: `http://127.0.0.1:${pagePort}/`, console };
    }),
    ...(web && { web: web.status() }),
  });
  const deviceOf = (name: string): VirtualDevice => {
    const device = devices.get(name);
    if (!device) throw unknownDevice(name, [...devices.keys()]);
    return device;
  };

  const touched = (name: string, what: string): VirtualDevice => {
    const device = deviceOf(name);
    saver.touch(`${name} ${what}`);
    return device;
  };

  const hub = makeLan(known.map(({ lanMac }) => lanMac));
  const plugIn = async (device: LabDevice): Promise<VirtualDevice> => {
    await hub.openPort(device.name, machineFiles(device.name).lan);
    const machine = { accelerator, disk, nic, memoryMb, hasLabPort, isCounted };
    const spec = { device, folder, ...machine, pagePort: await freePort() };
    const made = makeVirtualDevice(spec, (finding) => find(device.name, finding), clock.now, run);
    devices.set(device.name, made);
    return made;
  };
  for (const device of described) await plugIn(device);
  await hub.openPort("join", joinPort);
  if (options.web !== undefined) web = await startWeb(hub, folder, options.web, log);
  // The first frame shows that a device's kernel is up; later ones add nothing.
  hub.watch((port) => {
    if (observed.some(({ name, isOn, reached }) => name === port && isOn && reached.kernel === undefined)) {
      find(port, { kind: "frame" });
    }
  });

  /** Resumes the devices from the saved state, if there is a usable one. */
  const isAwake = async (): Promise<boolean> => {
    if (!state) return false;
    const lay = ({ spec: { device } }: VirtualDevice) => layDisk(run, folder, device, imageOf(device), state.folder);
    try {
      await wakeTogether(folder, [...devices.values()], state.folder, lay);
      Object.assign(start, { from: "state", savedAt: state.savedAt });
      saver.rest();
      return true;
    } catch (error) {
      start.refused = describeError(error);
      log.warn(`the saved state is of no use: ${start.refused}`);
      return false;
    }
  };
  const isUpdating = (name: string) =>
    isUnderWay(observed.find((device) => device.name === name)?.last?.gist.update?.activity);
  const isSettled = () => observed.every(({ reached }) => reached.telemetry !== undefined);
  const watch = ([name, device]: [string, VirtualDevice]) => {
    let looks = 0;
    const look = async () => {
      if (!isSettled() || isUpdating(name) || ++looks % settledLooks === 0) await device.look();
    };
    return every(lookMs, look, (error) => log.debug(`${name}: ${String(error)}`));
  };
  const watches = [...devices].map(watch);
  const layNew = async (device: LabDevice, adopt: Adopt) => {
    await makeDisk(run, folder, device, imageOf(device));
    await provision(device, imageOf(device), adopt);
  };
  /** One more device, with the disk that `lay` makes. */
  const begin = async (device: LabDevice, lay: () => Promise<void>) => {
    const made = await plugIn(device);
    observed = [...observed, unobserved(device.name)];
    await lay();
    await made.powerOn();
    watches.push(watch([device.name, made]));
  };
  if (!(await isAwake())) {
    for (const device of described) await layNew(device, "auto");
    await Promise.all([...devices.values()].map((device) => device.powerOn()));
  }

  return {
    status,
    follow(listener) {
      for (const event of events) listener(event);
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    cut: (name, seed) => touched(name, "lost power").cut(seed),
    restore: (name) => touched(name, "was given power").powerOn(),
    async add(name, adopt) {
      const device = known.find((one) => one.name === name);
      if (!device)
        throw unknownDevice(
          name,
          known.map((one) => one.name),
        );
      if (devices.has(name))
        throw deviceExists(
          name,
          known.map((one) => one.name).filter((one) => !devices.has(one)),
        );
      saver.touch(`${name} was added`);
      await begin(device, () => layNew(device, adopt));
    },
    async clone(name) {
      const source = touched(name, "was copied");
      const { board } = source.spec.device;
      const free = known.filter((one) => !devices.has(one.name) && imageOf(one) === imageOf(source.spec.device));
      const [copy] = free;
      if (!copy) throw deviceExists(`all its ${board} devices`, []);
      const saved = await mkdtemp(join(folder, "copy-"));
      try {
        await source.standStill();
        try {
          await source.save(run, saved);
        } finally {
          await source.go();
        }
        await begin(copy, () => cloneDisk(run, saved, name, folder, copy.name));
      } finally {
        await rm(saved, { recursive: true, force: true });
      }
      return copy.name;
    },
    setPartitioned(name, isPartitioned) {
      touched(name, "lost its cable");
      hub.setCut(name, isPartitioned);
      find(name, { kind: "cable", isPartitioned });
    },
    setLine(name, terms) {
      touched(name, "got another line");
      hub.setLine(name, terms);
      if (terms) lines.set(name, terms);
      else lines.delete(name);
    },
    setWebPartitioned(isPartitioned) {
      if (!web) throw noWeb();
      saver.touch("the web lost its cable");
      web.setPartitioned(isPartitioned);
    },
    doors: (name) => touched(name, "was entered").doors,
    join() {
      saver.touch("somebody joined");
      return { socket: join(folder, joinPort), address: `${labLan.prefix}.${200 + (joined++ % 50)}/24` };
    },
    async close() {
      for (const watch of watches) watch.stop();
      await web?.stop();
      await Promise.all([...devices.values()].map((device) => device.powerOff()));
      // Remove its half-written state too.
      await saver.over();
      await hub.close();
    },
  };
}
