// `boot bad`: the trial failed; the other slot is what starts next.

import type { Command } from "../../terminal/command.ts";
import { describeBoot, ownBootControl } from "./boot.ts";

export const bootBad: Command = {
  usage: "boot bad [--restart]",
  summary: "on a device: the trial failed (or, outside of one, the other slot is not to be started)",
  example: "hamlet boot bad --restart",
  options: { restart: { type: "boolean", describe: "and restart, which leads back to the old slot" } },
  async run({ values }, { print }) {
    const control = await ownBootControl();
    await control.markBad();
    if (values["restart"]) await control.reboot();
    print(...describeBoot(await control.current()));
    return 0;
  },
};
