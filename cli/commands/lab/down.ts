// `lab down`: ends the virtual neighborhood and everything in it.
import { findLab } from "../../../image/lab/supervisor/client.ts";
import type { Command } from "../../terminal/command.ts";

export const labDown: Command = {
  usage: "lab down [--json]",
  summary: "end the virtual neighborhood; delete its disks and keys, keep its console logs",
  example: "hamlet lab down",
  options: { json: { type: "boolean", describe: "print the ended devices as JSON" } },
  async run({ values }, { print }) {
    const lab = await findLab();
    const { devices } = await lab.status();
    await lab.down();
    const ended = devices.map((device) => device.name);
    print(values["json"] ? JSON.stringify({ ended }) : `the lab is down: ${ended.join(", ")}`);
    return 0;
  },
};
