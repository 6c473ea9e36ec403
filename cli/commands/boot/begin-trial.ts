// Run by hamlet-trial.service at each start of a slot on trial: notes that the slot came up, so that a later crash does not look
// like a slot that never started.
import type { Command } from "../../terminal/command.ts";
import { ownBootControl } from "./boot.ts";

export const beginTrial: Command = {
  usage: "unit begin-trial",
  summary: "note that the slot on trial came up",
  example: "hamlet unit begin-trial",
  async run() {
    await (await ownBootControl()).begin();
    return 0;
  },
};
