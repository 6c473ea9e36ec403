// `lab heal [<device>]`: plugs one network cable back in, or all, and ends bad lines.
import { findLab } from "../../../image/lab/supervisor/client.ts";
import type { Command } from "../../terminal/command.ts";

export const labHeal: Command = {
  usage: "lab heal [<device>]",
  summary: "plug a device's network cable back in, or all of them, and end bad lines",
  example: "hamlet lab heal",
  async run({ positionals: [name] }, { print }) {
    await (await findLab()).heal(name);
    print(`${name ?? "every device"} is on the network`);
    return 0;
  },
};
