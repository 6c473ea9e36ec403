// `lab up --devices 3`: start a virtual neighborhood from the image and leave it running.

import { statesFolder } from "../../../image/lab/saved/states.ts";
import { type LabStatus, milestones } from "../../../image/lab/supervisor/status.ts";
import { waitForLab } from "../../../image/lab/supervisor/wait.ts";
import { isSavePending, isUp } from "../../../image/lab/supervisor/whole.ts";
import type { Progress } from "../../../system/progress.ts";
import type { Command } from "../../terminal/command.ts";
import { jsonLines } from "../../terminal/output.ts";
import { hearStop } from "../../terminal/stop.ts";
import { deviceTable } from "./lab.ts";
import { machineOptions, startFromValues } from "./start.ts";

export const labUp: Command = {
  usage: "lab up [--devices 3] [--board <board>] [--image <file>]",
  summary: "start a virtual neighborhood and return when its devices see each other alive",
  example: "hamlet lab up --devices 3",
  details: `
Boots virtual devices from the image that users flash, with the firmware of their board, on a LAN of their own:
attic, cellar, kitchen, porch, shed, garage. They run on until hamlet lab down. Once all is well they are saved, for the next
lab up to go on from in seconds: with the same image, QEMU and options, for a day. Saved are their keys too, in
~/.cache/hamlet/lab, which only you can read; the three states used last stay.`,
  options: {
    ...machineOptions,
    fresh: { type: "boolean", describe: "from power, not from a saved state; what it becomes is saved instead" },
    json: { type: "boolean", describe: "print the lab's status as JSON" },
  },
  async run({ values }, { print, note, progress }) {
    const { signal, exitCode } = hearStop();
    let runs = "no lab was started";
    try {
      const states = { folder: statesFolder(), isFresh: values["fresh"] === true };
      const lab = await startFromValues(labUp, values, signal, states);
      runs = "the lab runs on; hamlet lab down ends it";
      const isReady = (now: LabStatus) => isUp(now) && !isSavePending(now);
      const status = await waitForLab(lab, isReady, showStage(progress), signal);
      progress.end();
      for (const line of startNotes(status.start, Date.now())) note(line);
      if (values["json"]) print(...jsonLines(status));
      else for (const line of deviceTable(status.devices)) print(line);
      return 0;
    } catch (error) {
      if (!signal.aborted) throw error;
      progress.end();
      note(`stopped: ${runs}`);
      return exitCode();
    }
  },
};

/** What a person should know of where the lab came from, and of what the next can come from. */
export function startNotes({ from, savedAt = 0, refused, saving, problem }: LabStatus["start"], now: number): string[] {
  const minutes = Math.round((now - savedAt) / 60_000);
  return [
    ...(from === "state" ? [`from the state saved ${minutes} min ago; --fresh starts from power`] : []),
    ...(refused !== undefined ? [`started from power: ${refused}`] : []),
    ...(saving === "given up" ? [`not saved, the next lab up starts from power: ${problem}`] : []),
  ];
}

/** The stage is the one that the last of the devices is in. */
function showStage(progress: Progress): (status: LabStatus) => void {
  let stage = "";
  return ({ devices, start }) => {
    if (start.saving === "saved") return;
    const name = start.saving === "saving" ? "saving the devices for the next lab up" : stageOf(devices);
    if (name !== stage) progress.stage(name);
    stage = name;
  };
}

function stageOf(devices: LabStatus["devices"]): string {
  const next = milestones.find((milestone) => devices.some(({ reached }) => reached[milestone] === undefined));
  return `waiting for ${waitingFor[next ?? "telemetry"]} (${devices.map((device) => device.name).join(", ")})`;
}

const waitingFor: Record<(typeof milestones)[number], string> = {
  power: "power",
  firmware: "the firmware",
  kernel: "the kernel",
  agent: "the agent",
  neighbor: "neighbors",
  member: "members",
  handshake: "handshakes",
  telemetry: "each other's word",
};
