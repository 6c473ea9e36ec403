// `boot begin`: the slot on trial came up. hamlet-trial.service says it at each start of one.

import type { Command } from "../../terminal/command.ts";
import { ownBootControl } from "./boot.ts";

export const bootBegin: Command = {
  usage: "boot begin",
  summary: "on a device: note that the slot on trial came up, so that a crash later is told from no start at all",
  example: "hamlet boot begin",
  details: "A device does this by itself, as early in a trial as it can.",
  async run() {
    await (await ownBootControl()).begin();
    return 0;
  },
};
