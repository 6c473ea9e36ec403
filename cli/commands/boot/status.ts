// `boot status`: shows which slot runs, which one starts next, and why a trial was rolled back.

import type { Command } from "../../terminal/command.ts";
import { bootLines, jsonOption, ownBootControl } from "./boot.ts";

export const bootStatus: Command = {
  usage: "boot status [--json]",
  summary: "on a device: show which slot runs, which one starts next, and why a trial was rolled back",
  example: "hamlet boot status",
  options: jsonOption,
  async run({ values }, { print }) {
    print(...bootLines(await (await ownBootControl()).current(), values));
    return 0;
  },
};
