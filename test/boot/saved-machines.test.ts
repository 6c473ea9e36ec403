// Saves and wakes machines that have only firmware: a broken state never stops a lab. neighborhood.test.ts covers whole devices.
import { hash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { labDevices } from "../../image/lab/machine/devices.ts";
import { layDisk, makeDisk } from "../../image/lab/machine/disk.ts";
import { freePort, machineFiles } from "../../image/lab/machine/machine.ts";
import { makeVirtualDevice, type VirtualDevice } from "../../image/lab/machine/virtual-device.ts";
import { makeLan } from "../../image/lab/network/lan.ts";
import { findPast, type Past } from "../../image/lab/saved/past.ts";
import { keepState } from "../../image/lab/saved/states.ts";
import { saveTogether, wakeTogether } from "../../image/lab/saved/together.ts";
import { type Lab, makeLab } from "../../image/lab/supervisor/lab.ts";
import { makeLabNeighborhood } from "../../image/lab/supervisor/neighborhood.ts";
import type { Finding } from "../../image/lab/supervisor/observed.ts";
import { openNeighborhood } from "../../provisioning/neighborhood/neighborhood.ts";
import { systemClock } from "../../system/clock.ts";
import { run } from "../../system/command.ts";
import { silentLog } from "../../system/log.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";

const about = { accelerator: "tcg", disk: "virtio", nic: "virtio", memoryMb: 128, hasLabPort: true } as const;
let folder = "";
let image = "";
const home = process.cwd();
const ends: (() => Promise<void>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-saved-"));
  image = join(folder, "empty.img");
  await writeFile(image, "");
  await truncate(image, 64 << 20);
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  process.chdir(home);
  await rm(folder, { recursive: true });
});

/** A lab's folder with two devices that are off, and the findings about each. */
async function twoDevices(name: string) {
  const place = join(folder, name);
  await mkdir(place);
  // A supervisor works in this folder, so that its sockets have short names.
  process.chdir(place);
  const found: Record<string, Finding[]> = {};
  const lan = makeLan([]);
  ends.push(() => lan.close());
  const devices: VirtualDevice[] = [];
  for (const device of labDevices(2)) {
    await lan.openPort(device.name, machineFiles(device.name).lan);
    const seen: Finding[] = [];
    found[device.name] = seen;
    const spec = { ...about, device, folder: place, pagePort: await freePort() };
    devices.push(makeVirtualDevice(spec, (finding) => seen.push(finding), Date.now, run));
  }
  ends.push(async () => {
    for (const device of devices) await device.powerOff();
  });
  const hasEnded = () =>
    Object.values(found)
      .flat()
      .some((finding) => finding.kind === "power" && !finding.isOn);
  return { place, devices, found, hasEnded };
}

/** Two running devices and a neighborhood. */
async function running() {
  const two = await twoDevices("first");
  await makeLabNeighborhood(run, two.place, Date.now());
  for (const device of two.devices) {
    await makeDisk(run, two.place, device.spec.device, image);
    await device.powerOn();
  }
  return two;
}
/** Every file of a state with its hash. */
async function contentOf(state: string): Promise<[name: string, sha256: string][]> {
  const files = (await readdir(state, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).toSorted();
  return Promise.all(paths.map(async (path) => [relative(state, path), hash("sha256", await readFile(path))]));
}
const layIn = (place: string, saved: string) => (device: { spec: { device: ReturnType<typeof labDevices>[number] } }) =>
  layDisk(run, place, device.spec.device, image, saved);

test("two saved machines keep running, and twice two others resume from the state, with the neighborhood and its keys", async () => {
  const first = await running();
  const spoke = (seen: Finding[] = []) => seen.some(({ kind }) => kind === "console");
  await eventually(
    async () => {
      for (const device of first.devices) await device.look().catch(() => {});
      expect(Object.values(first.found).every(spoke)).toBe(true);
    },
    { within: 60_000 },
  );
  const saved = join(folder, "saved");
  await mkdir(saved);
  await saveTogether(run, first.place, first.devices, saved);
  expect(first.hasEnded()).toBe(false);
  // The machines still accept commands: a second save works too.
  await mkdir(join(folder, "again"));
  await saveTogether(run, first.place, first.devices, join(folder, "again"));
  const before = await contentOf(saved);

  for (const name of ["second", "third"]) {
    const next = await twoDevices(name);
    await wakeTogether(next.place, next.devices, saved, layIn(next.place, saved));
    for (const seen of Object.values(next.found)) expect(seen).toEqual([{ kind: "power", isOn: true, isAwake: true }]);
    const passphrase = await readFile(join(next.place, "neighborhood.passphrase"), "utf8");
    expect((await openNeighborhood(join(next.place, "neighborhood"), passphrase)).file.name).toBe("Lab Street");
    // Both pairs run at the same time: no machine writes to the saved state.
    const target = join(folder, `of-${name}`);
    await mkdir(target);
    await saveTogether(run, next.place, next.devices, target);
    expect(next.hasEnded()).toBe(false);
  }
  expect(await contentOf(saved)).toEqual(before);
});

test("machines that cannot load a state end up powered off, and nothing of the state is left", async () => {
  const first = await running();
  const saved = join(folder, "saved");
  await mkdir(saved);
  await saveTogether(run, first.place, first.devices, saved);
  await truncate(join(saved, "cellar.state"), 5_000);
  const next = await twoDevices("second");
  await expect(wakeTogether(next.place, next.devices, saved, layIn(next.place, saved))).rejects.toThrow();
  await eventually(() => expect(next.hasEnded()).toBe(true));
  expect(await readdir(next.place)).not.toContain("neighborhood");
  // They still start from power.
  for (const device of next.devices) {
    await makeDisk(run, next.place, device.spec.device, image);
    await device.powerOn();
  }
});

test.skipIf(lacks("root"))(
  "a full disk during a save leaves nothing behind, and the machines keep running",
  async () => {
    const first = await running();
    const states = join(folder, "small");
    await mkdir(states);
    await run(["mount", "-t", "tmpfs", "-o", "size=1M", "hamlet-small", states]);
    try {
      const saving = keepState(states, "beef", Date.now(), (target) =>
        saveTogether(run, first.place, first.devices, target),
      );
      await expect(saving).rejects.toMatchObject({ code: "file.full" });
      expect(await readdir(states)).toEqual([]);
    } finally {
      await run(["umount", states]);
    }
    expect(first.hasEnded()).toBe(false);
    await mkdir(join(folder, "room"));
    await saveTogether(run, first.place, first.devices, join(folder, "room"));
  },
);

test("a machine that loses power during a save leaves no state, and the other keeps running", async () => {
  const first = await running();
  const states = join(folder, "states");
  const saving = keepState(states, "beef", Date.now(), async (target) => {
    await Promise.all([saveTogether(run, first.place, first.devices, target), first.devices[1]!.powerOff()]);
  });
  await expect(saving).rejects.toMatchObject({ code: "lab.machineRefused" });
  expect(await readdir(states)).toEqual([]);
  await first.devices[0]!.standStill();
  await first.devices[0]!.go();
});

/** A lab of two devices that resumes from `past` if it can. */
async function labFrom(past: Past): Promise<Lab> {
  const place = join(folder, "lab");
  await mkdir(place);
  process.chdir(place);
  const images = [{ path: image, board: "nuc" }];
  const options = { ...about, folder: place, images, devices: 2, provision: async () => {}, past };
  const lab = await makeLab({ ...options, run, log: silentLog, clock: systemClock });
  ends.push(() => lab.close());
  return lab;
}
const startedFromPower = (lab: Lab, refused: string) => {
  expect(lab.status().start).toEqual({ from: "power", refused: expect.stringMatching(refused), saving: "waiting" });
  expect(lab.status().devices.map(({ reached }) => reached.power)).toEqual([expect.any(Number), expect.any(Number)]);
};

test("a lab with an unusable state starts from power and says why", async () => {
  const saved = join(folder, "garbage");
  await mkdir(saved);
  startedFromPower(await labFrom({ state: { folder: saved, savedAt: Date.now() }, keep: async () => {} }), "attic");
});

test("a lab with a truncated state starts from power and says why; a complete state is used", async () => {
  const states = { folder: join(folder, "states"), isFresh: false };
  const machines = labDevices(2).map((device) => ({ ...about, device }));
  const past = () => findPast(states, { run, machines, images: [image], isProvisioned: true });
  await (await past()).keep!((target) => writeFile(join(target, "cellar.state"), Buffer.alloc(2_000_000)));
  const { state, refused } = await past();
  expect([state?.savedAt, refused]).toEqual([expect.any(Number), undefined]);
  await truncate(join(state!.folder, "cellar.state"), 1_000_000);
  startedFromPower(await labFrom(await past()), "^lab.stateRefused: .*cellar.state has 1000000 of 2000000 bytes");
});
