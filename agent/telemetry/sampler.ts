// Samples the device from /proc and /sys. Takes well under a millisecond, so it runs in the agent's own event loop.
import { readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { MetricsPayload } from "../../ota/fleet/topics.ts";
import type { Clock } from "../../system/clock.ts";
import { list, readOr } from "./kernel-files.ts";
import {
  type CpuTicks,
  cpuShare,
  parseBootTime,
  parseCpu,
  parseLoad,
  parseMemory,
  parseTemperature,
  parseUptime,
} from "./proc.ts";
import { makeStartedAt } from "./started-at.ts";
import { makeTraffic } from "./traffic.ts";

export type SamplerOptions = {
  clock: Clock;
  /** Its disk is the one that is reported. */
  dataFolder: string;
  meshInterface: string;
  /** Where /proc and /sys are: another folder in tests. */
  root?: string;
};
export type Sampler = { sample(): Promise<MetricsPayload> };

export function makeSampler({ clock, dataFolder, meshInterface, root = "/" }: SamplerOptions): Sampler {
  const proc = (name: string) => readOr(join(root, "proc", name));
  const zones = () => list(join(root, "sys/class/thermal")).filter((name) => name.startsWith("thermal_zone"));
  const traffic = makeTraffic(root, meshInterface);
  const startedAt = makeStartedAt();
  let before: CpuTicks = parseCpu(proc("stat"));
  let cpu = 0;

  return {
    async sample() {
      const stat = proc("stat");
      const ticks = parseCpu(stat);
      if (ticks.total > before.total) cpu = cpuShare(before, ticks);
      before = ticks;
      const memory = parseMemory(proc("meminfo"));
      const uptimeS = parseUptime(proc("uptime"));
      const started = startedAt(parseBootTime(stat), clock.now(), uptimeS);
      const steady = { load1: parseLoad(proc("loadavg")), ...traffic.read(), uptimeS: Math.round(uptimeS) };
      // These two may wait for a sensor or a card, so they must not block the event loop.
      const [disk, temperatureC] = await Promise.all([diskOf(dataFolder), hottest(root, zones())]);
      return {
        at: clock.now(),
        cpu: Math.round(cpu * 1000) / 1000,
        ...steady,
        memoryTotal: memory.total,
        memoryAvailable: memory.available,
        agentRss: process.memoryUsage.rss(),
        ...disk,
        ...(started !== undefined && { startedAt: started }),
        ...(temperatureC !== undefined && { temperatureC }),
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
      return undefined; // a sleeping sensor answers EAGAIN or ENODATA
    }
  });
  const found = (await Promise.all(read)).filter((value) => value !== undefined);
  return found.length > 0 ? Math.round(Math.max(...found) * 10) / 10 : undefined;
}
