// `lab up --devices 3`: start a virtual neighborhood from the image and leave it running.
import { type LabStatus, milestones } from "../image/lab/status.ts";
import type { Progress } from "../system/progress.ts";
import type { Command } from "./command.ts";
import { deviceTable, isUp } from "./lab.ts";
import { machineOptions, startFromValues, waitForLab } from "./lab-start.ts";
import { hearStop } from "./stop.ts";

export const labUp: Command = {
  usage: "lab up [--devices 3] [--board <board>] [--image <file>]",
  summary: "start a virtual neighborhood and return when its devices see each other alive",
  example: "hamlet lab up --devices 3",
  details: `
Boots virtual devices from the image that users flash, with the firmware of their board, on a LAN of their own:
attic, cellar, kitchen, porch, shed, garage. They run on until hamlet lab down.`,
  options: { ...machineOptions, json: { type: "boolean", describe: "print the lab's status as JSON" } },
  async run({ values }, { print, note, progress }) {
    const { signal, exitCode } = hearStop();
    let runs = "no lab was started";
    try {
      const lab = await startFromValues(labUp, values, signal);
      runs = "the lab runs on; hamlet lab down ends it";
      const status = await waitForLab(lab, isUp, showStage(progress), signal);
      progress.end();
      if (values["json"]) print(JSON.stringify(status, null, 2));
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

/** The stage is the one that the last of the devices is in. */
function showStage(progress: Progress): (status: LabStatus) => void {
  let stage = "";
  return ({ devices }) => {
    const next = milestones.find((milestone) => devices.some(({ reached }) => reached[milestone] === undefined));
    const name = `waiting for ${waitingFor[next ?? "telemetry"]} (${devices.map((device) => device.name).join(", ")})`;
    if (name !== stage) progress.stage(name);
    stage = name;
  };
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
