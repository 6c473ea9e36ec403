// Splits the time from power to mesh into stages, by the devices' own timestamps: kernel, systemd and the agent's journal.
// With `isCounted` the devices' clocks count instructions: then only their own stamps count, from the kernel's start on.
// Also measures QEMU's processor time, which other programs on the computer affect little.
import { readdirSync, readFileSync } from "node:fs";
import type { Milestone } from "../../image/lab/supervisor/status.ts";
import type { TestLab } from "../boot/lab.ts";

export type Stage = { name: string; seconds: number[] };

// Microseconds since the kernel started; for a unit that ran twice, only the second run counts.
const script = `
show() { systemctl show -P "$@"; }
echo "uptime $(cut -d' ' -f1 /proc/uptime)"
echo "init $(dmesg | sed -n 's/^\\[ *\\([0-9.]*\\)\\] Run \\/init as init process/\\1/p')"
echo "systemd $(show UserspaceTimestampMonotonic)"
echo "basic $(show ActiveEnterTimestampMonotonic basic.target)"
echo "firstboot $(show ExecMainStartTimestampMonotonic hamlet-firstboot)"
echo "firstbootEnd $(show ExecMainExitTimestampMonotonic hamlet-firstboot)"
echo "agent $(show ExecMainStartTimestampMonotonic hamlet-agent)"
echo "link $(journalctl -u hamlet-agent -o short-monotonic | sed -n 's/^\\[ *\\([0-9.]*\\)\\].*discovery: meeting neighbors.*/\\1/p' | head -1)"
`;

/** Seconds that each device spent in each stage, in order, until the lab saw the last milestone. */
export async function stagesOf(lab: TestLab, names: string[], isCounted = false): Promise<Stage[]> {
  const byDevice: Map<string, number>[] = [];
  for (const name of names) byDevice.push(await stagesOfDevice(lab, name, isCounted));
  return [...byDevice[0]!.keys()].map((name) => ({
    name,
    seconds: byDevice.flatMap((stages) => stages.get(name) ?? []),
  }));
}

async function stagesOfDevice(lab: TestLab, name: string, isCounted: boolean): Promise<Map<string, number>> {
  const { stdout } = await lab.on(name, "sh", "-c", script);
  const { elapsedS, devices } = await lab.status();
  const { reached } = devices.find((device) => device.name === name)!;
  const power = reached.power!;
  const stamp = (key: string) => {
    const told = Number(new RegExp(`^${key} ([\\d.]+)$`, "m").exec(stdout)?.[1]);
    return told > 10_000 ? told / 1e6 : told;
  };
  const kernelAt = isCounted ? 0 : elapsedS - stamp("uptime") - power;
  const seen = (milestone: Milestone) => (reached[milestone] ?? Number.NaN) - power;
  // Each entry ends a stage and begins the next.
  const ends: [stage: string, at: number][] = [
    ["firmware, loader, unpacking the kernel", kernelAt],
    ["kernel", kernelAt + stamp("init")],
    ["initrd, verified root", kernelAt + stamp("systemd")],
    ["systemd until first boot's one-shot", kernelAt + stamp("firstboot")],
    ["first boot's one-shot", kernelAt + stamp("firstbootEnd")],
    ["systemd until the agent", kernelAt + stamp("agent")],
    ["agent: loading, guard, mesh, until it looks for neighbors", kernelAt + stamp("link")],
    ["agent: neighbors met (hello), WireGuard's handshake", seen("handshake")],
    ["agent: telemetry of others", seen("telemetry")],
  ];
  const own = isCounted ? ends.slice(1, -2) : ends;
  const found = own.filter(([, at]) => Number.isFinite(at));
  return new Map(found.map(([stage, at], index) => [stage, at - (found[index - 1]?.[1] ?? 0)]));
}

/** Seconds of processor time that each of the lab's machines has used so far. */
export function processorTimes(supervisor: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [, program, rest = ""] = /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
        const fields = rest.split(" ");
        // proc(5): the parent, and user and system time in hundredths of a second (USER_HZ).
        if (!program?.startsWith("qemu-system") || Number(fields[1]) !== supervisor) return [];
        return [(Number(fields[11]) + Number(fields[12])) / 100];
      } catch {
        return [];
      }
    });
}
