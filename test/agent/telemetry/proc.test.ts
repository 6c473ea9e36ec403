import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import {
  cpuShare,
  parseCpu,
  parseLoad,
  parseMemory,
  parseNetDev,
  parseTemperature,
  parseUptime,
} from "../../../agent/telemetry/proc.ts";
import { makeSampler } from "../../../agent/telemetry/sampler.ts";
import { topics } from "../../../ota/fleet/topics.ts";

// From a NUC (kernel 6.1).
const stat = `cpu  84282 1208 32441 5128844 9871 0 2212 100 0 0
cpu0 42141 604 16220 2564422 4935 0 1106 50 0 0
intr 18837233 0
ctxt 30112233
btime 1699649265
`;
const meminfo = `MemTotal:        7928736 kB
MemFree:          512344 kB
MemAvailable:    5123456 kB
SwapTotal:             0 kB
`;
const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  991122    8811    0    0    0     0          0         0   991122    8811    0    0    0     0       0          0
enp1s0:980154098  301122    0   12    0     0          0      5512 1780636   98811    0    0    0     0       0          0
hamlet0:  30212     212    0    0    0     0          0         0    41312     301    0    0    0     0       0          0
  br0: 5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0
`;

test("/proc is parsed into numbers", () => {
  expect(parseCpu(stat)).toEqual({ busy: 120_243, total: 5_258_958 });
  expect(parseMemory(meminfo)).toEqual({ total: 8_119_025_664, available: 5_246_418_944 });
  expect(parseLoad("0.52 0.58 0.59 1/467 12345\n")).toBe(0.52);
  expect(parseUptime("350735.47 234388.90\n")).toBe(350_735.47);
  expect(parseNetDev(netDev).get("enp1s0")).toEqual({ rxBytes: 980_154_098, txBytes: 1_780_636 });
  expect([...parseNetDev(netDev).keys()]).toEqual(["lo", "enp1s0", "hamlet0", "br0"]);
});

test("the processor share comes from two readings, and is 0 if a counter went back", () => {
  expect(cpuShare({ busy: 100, total: 1000 }, { busy: 150, total: 1200 })).toBe(0.25);
  expect(cpuShare({ busy: 100, total: 1000 }, { busy: 100, total: 1000 })).toBe(0);
  expect(cpuShare({ busy: 100, total: 1000 }, { busy: 90, total: 1100 })).toBe(0);
});

test("an implausible temperature is undefined", () => {
  expect(parseTemperature("47512\n")).toBe(47.512);
  expect(parseTemperature("-274000\n")).toBeUndefined();
  expect(parseTemperature("0")).toBeUndefined();
  expect(parseTemperature("255000")).toBeUndefined();
});

test("empty files and garbage read as zero, never as NaN", () => {
  for (const text of ["", "cpu", "garbage\n\0", "cpu  x y z\nMemTotal: many kB\nlo: : :"]) {
    expect(parseCpu(text)).toEqual({ busy: 0, total: 0 });
    expect(parseMemory(text)).toEqual({ total: 0, available: 0 });
    expect([parseLoad(text), parseUptime(text)]).toEqual([0, 0]);
    for (const counters of parseNetDev(text).values()) expect(counters).toEqual({ rxBytes: 0, txBytes: 0 });
  }
});

test("a sample fits its schema, counts links once and does not count tunnels", async () => {
  const root = await mkdtemp(join(tmpdir(), "hamlet-"));
  const files: Record<string, string> = {
    "proc/stat": stat,
    "proc/meminfo": meminfo,
    "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
    "proc/uptime": "350735.47 234388.90\n",
    "proc/net/dev": netDev,
    "sys/class/net/lo/type": "772\n",
    "sys/class/net/enp1s0/type": "1\n",
    "sys/class/net/enp1s0/device/uevent": "",
    "sys/class/net/hamlet0/type": "65534\n",
    "sys/class/net/br0/type": "1\n",
    "sys/class/net/br0/bridge/id": "8000\n",
    "sys/class/thermal/thermal_zone0/temp": "47512\n",
    "sys/class/thermal/thermal_zone1/temp": "52040\n",
    "sys/class/thermal/cooling_device0/type": "Processor\n",
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };
  const sampler = makeSampler({ clock, dataFolder: root, meshInterface: "hamlet0", root });
  await writeFile(join(root, "proc/stat"), stat.replace("84282", "84382").replace("5128844", "5129144"));
  const sample = topics.metrics.payload.parse(await sampler.sample());
  expect(sample).toMatchObject({ at: 1_700_000_000_000, cpu: 0.25, load1: 0.52, uptimeS: 350_735, temperatureC: 52 });
  expect(sample.startedAt).toBe(1_699_649_265_000);
  expect(sample).toMatchObject({ linkRx: 980_154_098, linkTx: 1_780_636, meshRx: 30_212, meshTx: 41_312 });
  expect(sample.dataFree).toBeGreaterThan(0);

  await rm(root, { recursive: true });
  // A device that loses its disk still reports what it can.
  expect(topics.metrics.payload.safeParse(await sampler.sample()).success).toBe(true);
});
