// Boots three devices once from the images that users flash: a NUC whose card Raspberry Pi Imager wrote, another NUC, and an
// arm64 machine. The tests follow the life of a neighborhood, in order.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LabStatus } from "../../image/lab/supervisor/status.ts";
import { isWhole } from "../../image/lab/supervisor/whole.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { writtenByImager } from "./imager-image.ts";
import { bootLab, deviceOf, type TestLab } from "./lab.ts";
import { type Home, imager, takeAnotherName, tellOfThemselves } from "./living.ts";
import { goOnFromState } from "./saved.ts";

const names = ["attic", "cellar", "kitchen"];
/** Members declare one dead 12 s after its last message and alive at the next; under emulation everything takes longer. */
const soon = { within: 90_000, every: 1_000 };
const home = {} as Home;
let lab: TestLab;
let whole: LabStatus;
let images: string[] = [];
let states = "";
beforeAll(async () => {
  const nuc = await testImage();
  home.card = await writtenByImager(nuc, imager);
  images = [home.card.path, nuc, await testImage("virt-arm64")];
  // Its own folder of states, so that it always starts from power.
  states = join(await mkdtemp(join(tmpdir(), "hamlet-states-")), "lab");
  home.lab = lab = await bootLab({ images, devices: 3, from: "state", states });
  home.whole = whole = await lab.until(isWhole);
});
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]();
  await awake.lab()?.[Symbol.asyncDispose]();
  await rm(dirname(states), { recursive: true, force: true });
  await home.card?.[Symbol.asyncDispose]();
});

const statusOf = (name: string) => lab.statusOf(name);
/** The state of the device with this id in the list of `witness`. */
const seenFrom = async (witness: string, id: string) =>
  (await statusOf(witness)).members.find((member) => member.id === id)?.state;

test("three devices list each other as alive, with six handshakes and metrics from all", async () => {
  await eventually(async () => {
    const { code, stdout } = await lab.hamlet("lab", "status", "--json");
    expect(code).toBe(0);
    const { devices } = LabStatus.parse(JSON.parse(stdout));
    expect(
      devices.map(({ name, state, handshakes, telemetry, seenBy }) => [
        name,
        state,
        handshakes,
        telemetry,
        seenBy.length,
      ]),
    ).toEqual(names.map((name) => [name, "alive", 2, true, 2]));
    for (const { address, release } of devices) {
      expect(address).toMatch(/^fd/);
      expect(release).toMatch(/^\d+\.\d+\.\d+/);
    }
    expect(new Set(devices.map((device) => device.address)).size).toBe(3);
  }, soon);
});

test("a NUC and an arm64 machine are members of one mesh", async () => {
  expect(whole.devices.map(({ board }) => board)).toEqual(["nuc", "nuc", "virt-arm64"]);
  expect((await lab.on("kitchen", "uname", "-m")).stdout).toBe("aarch64\n");
});

test("each device uses the kernel's WireGuard, with a fresh handshake with both peers", async () => {
  const { stdout: link } = await lab.on("attic", "ip", "-details", "link", "show", "hamlet0");
  expect(link).toMatch(/^\s+wireguard/m);
  await eventually(async () => {
    const { stdout } = await lab.on("attic", "wg", "show", "hamlet0", "latest-handshakes");
    const times = stdout
      .trim()
      .split("\n")
      .map((line) => Number(line.split("\t")[1]));
    expect(times).toHaveLength(2);
    for (const at of times) expect(at).toBeGreaterThan(1_700_000_000);
  }, soon);
});

test("every device reaches every other by name over the mesh", async () => {
  const reachesOthers = async (name: string) => {
    for (const other of names.filter((one) => one !== name)) {
      await eventually(async () => {
        const { code, stdout } = await lab.on(name, "ping", "-c1", "-W5", `${other}.hamlet.internal`);
        expect([code, stdout]).toEqual([0, expect.stringContaining(deviceOf(whole, other).address!)]);
      }, soon);
    }
  };
  await Promise.all(names.map(reachesOthers));
});

test("one broker runs, and every device shows the metrics of all", async () => {
  await eventually(async () => {
    const statuses = await Promise.all(names.map(statusOf));
    expect(new Set(statuses.map((status) => status.broker)).size).toBe(1);
    for (const { members } of statuses) expect(members.filter((member) => member.metrics)).toHaveLength(3);
  }, soon);
});

test("the agent runs as its own user on a verified read-only root, with its state on the data partition", async () => {
  const { stdout: user } = await lab.on(
    "attic",
    ...["sh", "-c", "stat -c %U /proc/$(systemctl show --property MainPID --value hamlet-agent)"],
  );
  expect(user).toBe("hamlet\n");
  const { stdout: mounts } = await lab.on("attic", "cat", "/proc/mounts");
  expect(mounts).toMatch(/^\S+ \/ erofs ro,/m);
  expect(mounts).toMatch(/^\S+ \/var\/lib\/hamlet ext4 rw,/m);
  const { code } = await lab.on("attic", "touch", "/usr/lib/hamlet/mine");
  expect(code).not.toBe(0);
  const { stdout: failed } = await lab.on("attic", "systemctl", "--failed", "--no-legend", "--plain");
  expect(failed).toBe("");
});

test("no trace of the token's secret is on a device that has become a member", async () => {
  const { stdout: left } = await lab.on("attic", "cat", "/efi/hamlet/provision.json");
  expect([left.length, left.trim()]).toEqual([65_536, ""]);
  // Search the raw partition too: a deleted file's bytes would still be there.
  const search = "grep -qs '\"tokenKey\"' /run/hamlet-disk/esp || grep -rqs '\"tokenKey\"' /var/lib/hamlet";
  expect((await lab.on("attic", "sh", "-c", search)).code).toBe(1);
});

test("a device's page for strangers names no other device", async () => {
  const { page } = deviceOf(whole, "cellar");
  const shown = await (await fetch(new URL("/v1/status", page))).text();
  expect(shown).toContain("cellar");
  expect(shown).not.toContain("attic");
});

test("a device without SSH keys has two ports open to strangers on the LAN: hello and the public page", async () => {
  const scan = `for (const port of [22, 53, 80, 111, 443, 1883, 5353, 5354, 5355, 7780, 7946, 8080]) {
    const socket = require("net").connect(port, "10.77.0.12");
    socket.setTimeout(10000, () => socket.destroy());
    socket.on("error", () => {}).on("connect", () => { console.log(port); socket.destroy(); });
  }`;
  const { stdout } = await lab.hamlet("lab", "join", "--", process.execPath, "-e", scan);
  expect(stdout.trim().split("\n").toSorted()).toEqual(["7780", "80"]);
});

test("avahi, an independent witness on the LAN, lists the devices", async () => {
  await eventually(async () => {
    const { stdout } = await lab.hamlet("lab", "join", "--", "avahi-browse", "-rtp", "_hamlet._udp");
    const ids = new Set([...stdout.matchAll(/"id=([a-z2-7]{26})"/g)].map(([, id]) => id));
    expect(ids).toEqual(new Set(whole.devices.map((device) => device.id)));
  }, soon);
});

test("the others declare a disconnected device dead, and alive again when its cable is back", async () => {
  const { id } = deviceOf(whole, "kitchen");
  expect((await lab.hamlet("lab", "partition", "kitchen")).code).toBe(0);
  await eventually(async () => expect(await seenFrom("attic", id!)).toBe("dead"), soon);
  expect((await lab.hamlet("lab", "heal")).code).toBe(0);
  await lab.until(isWhole);
  await eventually(async () => expect(await seenFrom("cellar", id!)).toBe("alive"), soon);
});

test("a second lab is refused and does not harm the first", async () => {
  const { code, stderr } = await lab.hamlet("lab", "up");
  expect([code, stderr]).toEqual([1, expect.stringContaining("lab.alreadyRunning")]);
  await lab.until(isWhole);
});

test("a device that the lab has is not added again", async () => {
  const { code, stderr } = await lab.hamlet("lab", "add", "attic");
  expect([code, stderr]).toEqual([3, expect.stringContaining("lab.deviceExists")]);
});

test("exec passes on input, both outputs and the exit code; for an unknown device it names the known ones", async () => {
  expect(await lab.hamlet("lab", "exec", "attic", "--", "sh", "-c", "echo out; echo err >&2; exit 5")).toEqual({
    code: 5,
    stdout: "out\n",
    stderr: "err\n",
  });
  const { code, stderr } = await lab.hamlet("lab", "exec", "balcony", "--", "true");
  expect([code, stderr]).toEqual([2, expect.stringContaining("attic, cellar, kitchen")]);
});

test("console opens a root shell on a terminal and returns its exit code", async () => {
  const { code, stdout } = await lab.hamletOnTerminal(
    "echo $((6*7)) $(id -un) $(hostname); exit 3\n",
    "lab",
    "console",
    "attic",
  );
  expect([code, stdout]).toEqual([3, expect.stringContaining("42 root attic")]);
  expect((await lab.hamlet("lab", "console", "attic")).code).toBe(2);
});

tellOfThemselves(home);
takeAnotherName(home);

test("`data` grows to the rest of the disk once the processor is idle", async () => {
  await eventually(async () => {
    const { stdout } = await lab.on("kitchen", "df", "--output=size", "-B1M", "/var/lib/hamlet");
    expect(Number(stdout.split("\n")[1])).toBeGreaterThan(4_000);
  }, soon);
});

let machineId = "";

test("the others declare a device without power dead", async () => {
  const { id } = deviceOf(whole, "attic");
  expect((await lab.hamlet("lab", "cut", "attic", "--seed", "1")).code).toBe(0);
  await eventually(async () => expect(await seenFrom("kitchen", id!)).toBe("dead"), soon);
  await eventually(async () => expect(await seenFrom("cellar", id!)).toBe("dead"), soon);
});

test("a device that is being reset leaves the neighborhood first", async () => {
  const { id } = deviceOf(whole, "cellar");
  machineId = (await lab.on("cellar", "cat", "/etc/machine-id")).stdout;
  // The attic gets its power back and starts while this one restarts.
  expect((await lab.hamlet("lab", "power", "attic")).code).toBe(0);
  expect((await lab.hamlet("reset", "--device", "cellar", "--yes")).code).toBe(0);
  await eventually(async () => expect(await seenFrom("kitchen", id!)).toBe("left"), soon);
});

test("a device whose power returns comes back as the same member, under its new name", async () => {
  const before = deviceOf(whole, "attic");
  const { devices } = await lab.until((status) => deviceOf(status, "attic").handshakes > 0);
  const attic = devices.find(({ name }) => name === "attic")!;
  expect([attic.id, attic.address]).toEqual([before.id, before.address]);
  await eventually(async () => {
    const member = (await statusOf("kitchen")).members.find(({ id }) => id === before.id);
    expect([member?.name, member?.state]).toEqual(["pantry", "alive"]);
    expect((await lab.on("attic", "hostname")).stdout).toBe("pantry\n");
  }, soon);
});

test("a reset device restarts by itself with no state left", async () => {
  const { id } = deviceOf(whole, "cellar");
  await eventually(
    async () => {
      const status = await statusOf("cellar");
      expect([status.phase, status.self.id === id, status.neighborhood]).toEqual(["unprovisioned", false, undefined]);
    },
    { within: 300_000, every: 1_000 },
  );
  const { stdout: left } = await lab.on("cellar", "sh", "-c", "cd /var/lib/hamlet && find root agent -type f");
  expect(left.trim().split("\n")).toEqual(["agent/board.json"]);
  expect((await lab.on("cellar", "cat", "/etc/machine-id")).stdout).not.toBe(machineId);
  await eventually(
    async () => {
      const { stdout } = await lab.on("cellar", "cat", "/efi/hamlet/report.txt");
      expect(stdout).toMatch(/belongs to no neighborhood[\s\S]*hamlet provision/);
    },
    { within: 90_000, every: 1_000 },
  );
});

test("the lab saved its devices once they were whole, and ends", async () => {
  expect((await lab.status()).start).toEqual({ from: "power", saving: "saved" });
  await lab[Symbol.asyncDispose]();
});

const awake = goOnFromState(() => ({ images, states, whole }));
