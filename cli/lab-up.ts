// `lab up --devices 3`: start a virtual neighborhood from the image and leave it running.
import { milestones } from "../image/lab/status.ts";
import type { Command } from "./command.ts";
import { deviceTable, isUp } from "./lab.ts";
import { machineOptions, startFromValues, waitForLab } from "./lab-start.ts";

export const labUp: Command = {
  usage: "lab up [--devices 3] [--image <file>]",
  summary: "start a virtual neighborhood and return when its devices see each other alive",
  example: "hamlet lab up --devices 3",
  details: `
Boots virtual devices from the image that users flash, with UEFI firmware, on a LAN of their own: attic, cellar,
kitchen, porch, shed, garage. They run on until hamlet lab down.`,
  options: { ...machineOptions, json: { type: "boolean", describe: "print the lab's status as JSON" } },
  async run({ values }, { print, progress }) {
    const lab = await startFromValues(labUp, values);
    let stage = "";
    const status = await waitForLab(lab, isUp, ({ devices }) => {
      // The stage is the one that the last of them is in.
      const next = milestones.find((milestone) => devices.some(({ reached }) => reached[milestone] === undefined));
      const name = `waiting for ${waitingFor[next ?? "telemetry"]} (${devices.map((device) => device.name).join(", ")})`;
      if (name !== stage) progress.stage(name);
      stage = name;
    });
    progress.end();
    if (values["json"]) print(JSON.stringify(status, null, 2));
    else for (const line of deviceTable(status.devices)) print(line);
    return 0;
  },
};

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
