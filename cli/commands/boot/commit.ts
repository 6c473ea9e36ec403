// `boot commit`: keeps the slot that runs on trial.

import type { Command } from "../../terminal/command.ts";
import { describeBoot, ownBootControl } from "./boot.ts";

export const bootCommit: Command = {
  usage: "boot commit",
  summary: "on a device: keep the running slot, so that it starts from now on",
  example: "hamlet boot commit",
  async run(_input, { print }) {
    const control = await ownBootControl();
    await control.commit();
    print(...describeBoot(await control.current()));
    return 0;
  },
};
