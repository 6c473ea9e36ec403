// Parses /proc and /sys. Pure: text in, numbers out; sampler.ts reads the files.

/** Ticks of all cores since boot. */
export type CpuTicks = { busy: number; total: number };
export type LinkCounters = { rxBytes: number; txBytes: number };

/** /proc/stat. Waiting for the disk counts as idle: the processor is free then. */
export function parseCpu(stat: string): CpuTicks {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (
    /^cpu +(.*)$/m.exec(stat)?.[1] ?? ""
  )
    .split(/\s+/)
    .map(toNumber);
  const busy = user + nice + system + irq + softirq + steal;
  return { busy, total: busy + idle + iowait };
}

/** Share of all cores in use between two readings, 0 to 1. */
export function cpuShare(before: CpuTicks, after: CpuTicks): number {
  const total = after.total - before.total;
  return total > 0 ? Math.min(1, Math.max(0, (after.busy - before.busy) / total)) : 0;
}

/** /proc/meminfo, in bytes. */
export function parseMemory(meminfo: string): { total: number; available: number } {
  const kibibytes = (key: string) => toNumber(new RegExp(`^${key}: +(\\d+) kB$`, "m").exec(meminfo)?.[1]);
  return { total: kibibytes("MemTotal") * 1024, available: kibibytes("MemAvailable") * 1024 };
}

/** /proc/loadavg: runnable tasks, mean of the last minute. */
export const parseLoad = (loadavg: string): number => toNumber(loadavg.split(" ")[0]);

/** /proc/uptime, in seconds. */
export const parseUptime = (uptime: string): number => toNumber(uptime.split(" ")[0]);

/** /proc/stat: when the system started, in ms since 1970 by the present clock. Unlike "now minus uptime" it does not jitter. */
export const parseBootTime = (stat: string): number => toNumber(/^btime (\d+)$/m.exec(stat)?.[1]) * 1000;

/** /proc/net/dev: bytes since boot by interface. */
export function parseNetDev(dev: string): Map<string, LinkCounters> {
  const counters = new Map<string, LinkCounters>();
  for (const line of dev.split("\n")) {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line);
    if (!match) continue;
    const columns = match[2]!.trim().split(/\s+/).map(toNumber);
    counters.set(match[1]!, { rxBytes: columns[0] ?? 0, txBytes: columns[8] ?? 0 });
  }
  return counters;
}

/** /sys/class/thermal/thermal_zone<n>/temp in degrees; undefined for implausible values. */
export function parseTemperature(temp: string): number | undefined {
  const celsius = toNumber(temp.trim()) / 1000;
  return celsius > 1 && celsius < 150 ? celsius : undefined;
}

function toNumber(text: string | undefined): number {
  const value = Number(text ?? 0);
  return Number.isFinite(value) ? value : 0;
}
