// `lab down`: end the virtual neighborhood and everything in it.
import { findLab } from "../image/lab/client.ts";
import type { Command } from "./command.ts";

export const labDown: Command = {
  usage: "lab down",
  summary: "end the virtual neighborhood; its disks and keys go, its consoles' logs stay",
  example: "hamlet lab down",
  async run(_input, { print }) {
    await (await findLab()).down();
    print("the lab is down");
    return 0;
  },
};
