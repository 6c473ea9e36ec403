// Reads /proc and /sys, all of it in well under a millisecond, so that it may run in the agent's own loop.
import { readdirSync, readFileSync } from "node:fs";
import { readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { MetricsPayload } from "../../ota/fleet/topics.ts";
import type { Clock } from "../../system/clock.ts";
import {
  type CpuTicks,
  cpuShare,
  parseCpu,
  parseLoad,
  parseMemory,
  parseNetDev,
  parseTemperature,
  parseUptime,
} from "./proc.ts";

export type SamplerOptions = {
  clock: Clock;
  /** The folder whose disk is reported. */
  dataFolder: string;
  meshInterface: string;
  /** Where /proc and /sys are: another folder in tests. */
  root?: string;
};
export type Sampler = { sample(): Promise<MetricsPayload> };

export function makeSampler({ clock, dataFolder, meshInterface, root = "/" }: SamplerOptions): Sampler {
  const proc = (name: string) => readOr(join(root, "proc", name));
  const zones = list(join(root, "sys/class/thermal")).filter((name) => name.startsWith("thermal_zone"));
  const links = new Map<string, boolean>();
  let before: CpuTicks = parseCpu(proc("stat"));
  let cpu = 0;

  /** An Ethernet or Wi-Fi interface of its own: a bridge would count its ports twice, a tunnel what they carry. */
  const isLink = (name: string): boolean => {
    const known = links.get(name);
    if (known !== undefined) return known;
    const folder = join(root, "sys/class/net", name);
    const type = readOr(join(folder, "type")).trim();
    // Without /sys (a bare namespace) names are all there is.
    const found = type ? type === "1" && !list(folder).includes("bridge") : !/^(lo|wg|tun|br)/.test(name);
    if (links.size > 256) links.clear();
    links.set(name, found);
    return found;
  };

  return {
    async sample() {
      const ticks = parseCpu(proc("stat"));
      if (ticks.total > before.total) cpu = cpuShare(before, ticks);
      before = ticks;
      const memory = parseMemory(proc("meminfo"));
      let [linkRx, linkTx, meshRx, meshTx] = [0, 0, 0, 0];
      for (const [name, { rxBytes, txBytes }] of parseNetDev(proc("net/dev"))) {
        if (name === meshInterface) [meshRx, meshTx] = [rxBytes, txBytes];
        else if (isLink(name)) [linkRx, linkTx] = [linkRx + rxBytes, linkTx + txBytes];
      }
      const steady = {
        load1: parseLoad(proc("loadavg")),
        uptimeS: Math.round(parseUptime(proc("uptime"))),
      };
      // These two may wait for a sensor or a card: never in the loop's own time.
      const [disk, temperatureC] = await Promise.all([diskOf(dataFolder), hottest(root, zones)]);
      return {
        at: clock.now(),
        cpu: Math.round(cpu * 1000) / 1000,
        ...steady,
        memoryTotal: memory.total,
        memoryAvailable: memory.available,
        agentRss: process.memoryUsage.rss(),
        ...disk,
        ...(temperatureC !== undefined && { temperatureC }),
        linkRx,
        linkTx,
        meshRx,
        meshTx,
      };
    },
  };
}

async function diskOf(folder: string): Promise<{ dataTotal?: number; dataFree?: number }> {
  try {
    const { blocks, bavail, bsize } = await statfs(folder);
    return { dataTotal: blocks * bsize, dataFree: bavail * bsize };
  } catch {
    return {};
  }
}

async function hottest(root: string, zones: string[]): Promise<number | undefined> {
  const read = zones.map(async (zone) => {
    try {
      return parseTemperature(await readFile(join(root, "sys/class/thermal", zone, "temp"), "utf8"));
    } catch {
      return undefined; // a sensor that is asleep answers EAGAIN or ENODATA
    }
  });
  const found = (await Promise.all(read)).filter((value) => value !== undefined);
  return found.length > 0 ? Math.round(Math.max(...found) * 10) / 10 : undefined;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
