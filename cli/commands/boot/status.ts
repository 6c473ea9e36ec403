// `boot status`: shows which slot runs, which one starts next, and why a trial was rolled back.

import type { Command } from "../../terminal/command.ts";
import { describeBoot, ownBootControl } from "./boot.ts";

export const bootStatus: Command = {
  usage: "boot status [--json]",
  summary: "on a device: show which slot runs, which one starts next, and why a trial was rolled back",
  example: "hamlet boot status",
  options: { json: { type: "boolean", describe: "print it as JSON" } },
  async run({ values }, { print }) {
    const state = await (await ownBootControl()).current();
    print(...(values["json"] ? [JSON.stringify(state)] : describeBoot(state)));
    return 0;
  },
};
