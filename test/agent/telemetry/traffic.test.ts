import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeTraffic } from "../../../agent/telemetry/traffic.ts";
import { run } from "../../../system/command.ts";
import { lacks } from "../../lacks.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-traffic-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Received and sent bytes of an interface, and what /sys/class/net/<name> has beside its type. */
type Interface = [rx: number, tx: number, files?: string[], type?: number];

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}
async function machine(links: Record<string, Interface>): Promise<void> {
  await rm(join(root, "sys"), { recursive: true, force: true });
  const all: Record<string, Interface> = { lo: [99, 99, [], 772], ...links };
  const line = ([name, [rx, tx]]: [string, Interface]) => `${name}: ${rx} 1 0 0 0 0 0 0 ${tx} 1 0 0 0 0 0 0`;
  await put("proc/net/dev", ["Inter-|", " face |", ...Object.entries(all).map(line)].join("\n"));
  for (const [name, [, , files = [], type = 1]] of Object.entries(all)) {
    await put(`sys/class/net/${name}/type`, `${type}\n`);
    for (const file of files) {
      const [path = "", text = ""] = file.split("=>");
      await put(`sys/class/net/${name}/${path}`, text);
    }
  }
}
const read = () => makeTraffic(root, "hamlet0").read();
const card = "device/uevent";

test.each<[string, Record<string, Interface>]>([
  ["one card and the mesh", { enp1s0: [500, 70, [card]], hamlet0: [30, 40, [], 65_534] }],
  ["Wi-Fi", { wlan0: [500, 70, [card, "wireless/status", "phy80211/name"]] }],
  ["Wi-Fi and a monitor of it", { wlan0: [500, 70, [card]], mon0: [900, 70, [card], 803] }],
  ["a USB gadget", { usb0: [500, 70, [card]] }],
  ["a modem that speaks raw IP", { wwan0: [500, 70, [card], 519] }],
  ["a CAN bus", { eth0: [500, 70, [card]], can0: [9, 9, [card], 280] }],
  [
    "a VLAN and a VLAN in it",
    {
      eth0: [500, 70, [card, "upper_eth0.10/type"]],
      "eth0.10": [400, 60, ["lower_eth0/type"]],
      q: [400, 60, ["lower_eth0.10/type"]],
    },
  ],
  [
    "a bond of two",
    {
      a: [200, 30, [card, "master/type"]],
      b: [300, 40, [card, "master/type"]],
      bond0: [500, 70, ["bonding/mode", "lower_a/type"]],
    },
  ],
  ["a team", { a: [500, 70, [card, "master/type"]], team0: [500, 70, ["lower_a/type"]] }],
  [
    "containers",
    {
      eth0: [500, 70, [card]],
      docker0: [90, 300, ["bridge/bridge_id"]],
      veth1: [60, 200, ["brport/state", "master/type"]],
      cali2: [60, 200, []],
    },
  ],
  [
    "a bridge over the card, with a tap",
    {
      eth0: [500, 70, [card, "brport/state"]],
      vmbr0: [490, 69, ["bridge/bridge_id", "lower_eth0/type"]],
      tap0: [60, 40, ["tun_flags"]],
    },
  ],
  [
    "a macvlan and an ipvlan",
    { eth0: [500, 70, [card]], mac: [90, 10, ["lower_eth0/type"]], ip: [9, 1, ["lower_eth0/type"]] },
  ],
  [
    "tunnels, dummies and ifbs",
    {
      eth0: [500, 70, [card]],
      wg0: [9, 9, [], 65_534],
      tun0: [9, 9, ["tun_flags"], 65_534],
      dummy0: [9, 9],
      ifb0: [9, 9],
      sit0: [9, 9, [], 776],
    },
  ],
  [
    "the ports of a switch chip",
    { eth0: [500, 70, [card]], lan1: [300, 40, [card, "lower_eth0/type"]], lan2: [200, 30, [card, "lower_eth0/type"]] },
  ],
  [
    "a container, which has one end of a pair",
    {
      eth0: [500, 70, ["flags=>0x1003"]],
      dummy0: [9, 9, ["flags=>0x1082"]],
      docker0: [90, 300, ["bridge/bridge_id"]],
      veth1: [60, 200, ["brport/state"]],
      vx0: [9, 9, ["uevent=>DEVTYPE=vxlan\nINTERFACE=vx0"]],
    },
  ],
  ["a container on a macvlan", { eth0: [500, 70, ["uevent=>DEVTYPE=macvlan\nINTERFACE=eth0"]] }],
])("link-counters: %s: each byte counts once", async (_what, links) => {
  await machine(links);
  expect(read()).toMatchObject({ linkRx: 500, linkTx: 70 });
});

test("link-counters: the sum is that of the cards, whatever interfaces are on top of them", async () => {
  const bytes = fc.integer({ min: 0, max: 2 ** 40 });
  const cards = fc.array(fc.tuple(bytes, bytes), { minLength: 1, maxLength: 4 });
  const above = fc.array(
    fc.tuple(bytes, bytes, fc.constantFrom("lower_c0/type", "bridge/x", "bonding/x", "tun_flags", "brport/x", "speed")),
  );
  await fc.assert(
    fc.asyncProperty(cards, above, async (cards, above) => {
      await machine({
        ...Object.fromEntries(cards.map(([rx, tx], index) => [`c${index}`, [rx, tx, [card]] satisfies Interface])),
        ...Object.fromEntries(
          above.map(([rx, tx, file], index) => [`v${index}`, [rx, tx, [file]] satisfies Interface]),
        ),
      });
      const sum = (which: 0 | 1) => cards.reduce((total, counters) => total + counters[which], 0);
      expect(read()).toEqual({ linkRx: sum(0), linkTx: sum(1), meshRx: 0, meshTx: 0 });
    }),
    { numRuns: 40 },
  );
});

test("link-counters: a card that is pulled out and put back loses no bytes and counts none twice", async () => {
  const traffic = makeTraffic(root, "hamlet0");
  const reads = async (links: Record<string, Interface>) => {
    await machine(links);
    const { linkRx, linkTx, meshRx } = traffic.read();
    return [linkRx, linkTx, meshRx];
  };
  const eth0: Interface = [100, 10, [card]];
  expect(await reads({ eth0, usb0: [50, 5, [card]], hamlet0: [7, 7] })).toEqual([150, 15, 7]);
  expect(await reads({ eth0, hamlet0: [2, 2] })).toEqual([150, 15, 9]);
  expect(await reads({ eth0: [120, 10, [card]], usb0: [3, 1, [card]] })).toEqual([173, 16, 9]);
  expect(await reads({ eth0: [4, 1, [card]], usb0: [5, 1, [card]], hamlet0: [5, 5] })).toEqual([179, 17, 14]);
  await writeFile(join(root, "proc/net/dev"), "");
  expect(traffic.read()).toMatchObject({ linkRx: 179, linkTx: 17 });
  expect(await reads({ eth0: [4, 1, [card]], usb0: [5, 1, [card]], hamlet0: [5, 5] })).toEqual([179, 17, 14]);
});

test.skipIf(lacks("namespaces"))(
  "link-counters: in a namespace of the real kernel a pair counts, a dummy and a bridge's port do not",
  async () => {
    const traffic = new URL("../../../agent/telemetry/traffic.ts", import.meta.url).href;
    const script = `
    mount -t sysfs none /sys; ip link set lo up
    ip link add out type veth peer name far; ip link add br0 type bridge; ip link add in type veth peer name port
    ip link set port master br0; ip link add if0 type ifb
    unshare -n sleep 60 >/dev/null 2>&1 & other=$!
    while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
    ip link set far netns $other; ip link set in netns $other
    ip address add 192.0.2.1/24 dev out; ip link set out up; nsenter -t $other -n ip link set far up
    ip link set br0 up; ip link set port up; ip link set if0 up; nsenter -t $other -n ip link set in up
    ping -c3 -i0.2 -W1 192.0.2.2 >/dev/null
    "$1" --input-type=module -e '
      const { makeTraffic } = await import(process.argv[1]);
      import { readFileSync } from "node:fs";
      const out = /out:\\s*(\\d+)(?:\\s+\\d+){7}\\s+(\\d+)/.exec(readFileSync("/proc/net/dev", "utf8"));
      const { linkRx, linkTx } = makeTraffic("/", "hamlet0").read();
      console.log(JSON.stringify({ linkRx, linkTx, rx: Number(out[1]), tx: Number(out[2]) }));' "$2"
    kill $other`;
    const said = JSON.parse(
      await run(["unshare", "-nm", "sh", "-c", script, "sh", process.execPath, traffic], { timeoutMs: 60_000 }),
    );
    expect(said.tx).toBeGreaterThan(0);
    expect(said).toMatchObject({ linkRx: said.rx, linkTx: said.tx });
  },
);
