// `boot commit`: keeps the slot that runs on trial.

import type { Command } from "../../terminal/command.ts";
import { bootLines, jsonOption, ownBootControl } from "./boot.ts";

export const bootCommit: Command = {
  usage: "boot commit",
  summary: "on a device: keep the running slot, so that it starts from now on",
  example: "hamlet boot commit",
  options: jsonOption,
  async run({ values }, { print }) {
    const control = await ownBootControl();
    await control.commit();
    print(...bootLines(await control.current(), values));
    return 0;
  },
};
