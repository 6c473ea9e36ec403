// `lab heal`: put all network cables back.
import { findLab } from "../image/lab/client.ts";
import type { Command } from "./command.ts";

export const labHeal: Command = {
  usage: "lab heal",
  summary: "put all network cables back",
  example: "hamlet lab heal",
  async run(_input, { print }) {
    await (await findLab()).heal();
    print("all devices are on the network");
    return 0;
  },
};
