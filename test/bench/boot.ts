// Three devices from the image, under emulation: from power to the mesh, and what the agent takes in a device when nothing happens.
import { isWhole } from "../../cli/lab.ts";
import { labImage } from "../../cli/lab-start.ts";
import { bootLab } from "../boot/lab.ts";
import { median, printFigures } from "./figures.ts";

const names = ["attic", "cellar", "kitchen"];
const settleMs = 60_000;

await using lab = await bootLab({ images: [await labImage()], devices: names.length });
const { devices, accelerator } = await lab.until(isWhole);
const since = (milestone: "agent" | "handshake") =>
  devices.map(({ reached }) => (reached[milestone] ?? Number.NaN) - (reached.power ?? 0));
const toAgent = median(since("agent"));
const toMesh = Math.max(...since("handshake"));
await new Promise((resolve) => setTimeout(resolve, settleMs));

const rssMb: number[] = [];
const allMb: number[] = [];
for (const name of names) {
  const script =
    "grep VmRSS /proc/$(systemctl show -P MainPID hamlet-agent)/status; grep -E '^(MemTotal|MemAvailable)' /proc/meminfo";
  const { stdout } = await lab.on(name, "sh", "-c", script);
  const kb = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(stdout)?.[1]);
  rssMb.push(kb("VmRSS") / 1000);
  allMb.push((kb("MemTotal") - kb("MemAvailable")) / 1000);
}
printFigures(`Devices, QEMU with ${accelerator}`, [
  { name: "power to the agent's first answer", value: toAgent, unit: "s", runs: names.length },
  { name: "power to the last of three in the mesh", value: toMesh, unit: "s", runs: 1 },
  { name: "agent RSS in the device, idle, 2 peers", value: median(rssMb), unit: "MB", runs: names.length },
  { name: "memory in use in the device, all programs", value: median(allMb), unit: "MB", runs: names.length },
]);
