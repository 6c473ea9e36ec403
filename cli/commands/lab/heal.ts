// `lab heal [<device>]`: plugs one network cable back in, or all, and ends bad lines.
import { findLab } from "../../../image/lab/supervisor/client.ts";
import type { Command } from "../../terminal/command.ts";

export const labHeal: Command = {
  usage: "lab heal [<device>]",
  summary: "plug a device's network cable back in, or all of them, and end bad lines",
  example: "hamlet lab heal",
  options: { json: { type: "boolean", describe: "print the result as JSON" } },
  async run({ positionals: [name], values }, { print }) {
    await (await findLab()).heal(name);
    if (values["json"]) print(JSON.stringify({ device: name ?? "all", isPartitioned: false }));
    else print(`${name ?? "every device"} is on the network`);
    return 0;
  },
};
