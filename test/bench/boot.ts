// Benchmarks emulated devices booted from their images: one of each board from power to its page; three from power to the mesh,
// with the idle agent's memory; both by stage. `node test/bench/boot.ts [board|mesh|state|counted...]` selects some; `counted` is
// one nuc whose clock counts its instructions: slower, and the same on a busy computer.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labBoardNames } from "../../image/lab/machine/boards.ts";
import { isWhole } from "../../image/lab/supervisor/whole.ts";
import { testImage } from "../boot/image.ts";
import { bootLab } from "../boot/lab.ts";
import { eventually } from "../eventually.ts";
import { type Figure, median, printFigures } from "./figures.ts";
import { processorTimes, type Stage, stagesOf } from "./stages.ts";

const names = ["attic", "cellar", "kitchen"];
const settleMs = 60_000;

const asked = process.argv.slice(2);
for (const what of asked.length > 0 ? asked : [...labBoardNames, "mesh", "state"]) {
  if (what === "mesh") await measureMesh();
  else if (what === "state") await measureState();
  else if (what === "counted") await measureCounted();
  else await measureBoard(what);
}

async function measureBoard(board: string): Promise<void> {
  await using lab = await bootLab({ images: [await testImage(board)], devices: 1 });
  const only = async () => (await lab.status()).devices[0]!;
  const sincePower = async () => (await lab.status()).elapsedS - ((await only()).reached.power ?? Number.NaN);
  const answers = async () => (await fetch((await only()).page, { signal: AbortSignal.timeout(5_000) })).ok;
  await eventually(answers, { within: 900_000, every: 250 });
  const toPage = await sincePower();
  const processor = processorFigure((await lab.status()).pid, "the page");
  const status = await lab.until(({ devices }) => devices[0]?.reached.agent !== undefined);
  const { reached } = status.devices[0]!;
  const isComplete = async () => {
    const { stdout } = await lab.on((await only()).name, "systemctl", "is-system-running");
    return /^(running|degraded)$/.test(stdout.trim());
  };
  await eventually(isComplete, { within: 900_000, every: 250 });
  const toComplete = await sincePower();
  const since = (at: number | undefined) => (at ?? Number.NaN) - (reached.power ?? 0);
  printFigures(`One ${board}, QEMU with ${status.accelerator}`, [
    { name: "power to the kernel", value: since(reached.kernel), unit: "s", runs: 1 },
    { name: "power to the agent's first answer", value: since(reached.agent), unit: "s", runs: 1 },
    { name: "power to the page", value: toPage, unit: "s", runs: 1 },
    { name: "power to a completed boot, checked after the page", value: toComplete, unit: "s", runs: 1 },
    ...processor,
  ]);
  printStages(`One ${board}, by stage`, await stagesOf(lab, [(await only()).name]));
}

async function measureCounted(): Promise<void> {
  await using lab = await bootLab({ images: [await testImage()], devices: 1, accelerator: "tcg", isCounted: true });
  await lab.until(({ devices }) => devices[0]?.reached.agent !== undefined);
  printStages("One nuc, by stage, in counted instructions at 2 ns", await stagesOf(lab, names.slice(0, 1), true));
}

function printStages(title: string, stages: Stage[]): void {
  const figures = stages.map(({ name, seconds }) => ({
    name,
    value: median(seconds),
    unit: "s",
    runs: seconds.length,
  }));
  printFigures(title, figures);
}

/** More meaningful than wall-clock time when other programs share the processor. */
function processorFigure(supervisor: number, until: string): Figure[] {
  const times = processorTimes(supervisor);
  const name = `QEMU's processor time, power to ${until}`;
  return times.length > 0 ? [{ name, value: median(times), unit: "s", runs: times.length }] : [];
}

async function measureMesh(): Promise<void> {
  await using lab = await bootLab({ images: [await testImage()], devices: names.length });
  const { devices, accelerator, pid } = await lab.until(isWhole);
  const processor = processorFigure(pid, "three in the mesh with telemetry");
  const stages = await stagesOf(lab, names);
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
    ...processor,
  ]);
  printStages("Three at once, by stage (medians of the three)", stages);
}

/** Times three devices that resume from a saved state, which it makes first. */
async function measureState(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-states-"));
  await using _folder = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
  const how = {
    images: [await testImage()],
    devices: names.length,
    from: "state" as const,
    states: join(folder, "lab"),
  };
  await using first = await bootLab(how);
  await first.down();
  const startedMs = performance.now();
  await using lab = await bootLab(how);
  const value = (performance.now() - startedMs) / 1000;
  const { start, accelerator } = await lab.status();
  assert.equal(start.from, "state");
  const name = "saved state to three in the mesh with telemetry";
  printFigures(`Devices from a state, QEMU with ${accelerator}`, [{ name, value, unit: "s", runs: 1 }]);
}
