// `boot bad`: marks the trial as failed, so that the other slot starts next.

import type { Command } from "../../terminal/command.ts";
import { bootLines, jsonOption, ownBootControl } from "./boot.ts";

export const bootBad: Command = {
  usage: "boot bad [--restart]",
  summary: "on a device: mark the slot on trial as bad, or without a trial the other slot",
  example: "hamlet boot bad --restart",
  options: { restart: { type: "boolean", describe: "then restart into the old slot" }, ...jsonOption },
  async run({ values }, { print }) {
    const control = await ownBootControl();
    await control.markBad();
    if (values["restart"]) await control.reboot();
    print(...bootLines(await control.current(), values));
    return 0;
  },
};
