// `update history [--log]`: how the last updates of a device ended, and what a fallback left.
import { endText } from "../../../dashboard/update-words.ts";
import type { Command } from "../../terminal/command.ts";
import { findDevice } from "../../terminal/device.ts";
import { takesNoRequests } from "../../terminal/linked-device.ts";
import { jsonLines } from "../../terminal/output.ts";
import { ownedDeviceOptions } from "../device/owned.ts";
import { historyTable } from "./words.ts";

export const updateHistory: Command = {
  usage: "update history [--log] [--json]",
  summary: "show how the last updates of a device ended, and which check failed",
  example: "hamlet update history --device attic --log",
  details: `
--log adds the last log lines of the release that failed; the device keeps them until \`hamlet update seen\`.
Because a log may name other devices, it is told on the device itself, in the lab and to the owner: --neighborhood <folder>.`,
  options: {
    ...ownedDeviceOptions,
    log: { type: "boolean", describe: "add the last log lines of a fallback that nobody has acknowledged" },
    json: { type: "boolean", describe: "print it as JSON, log included" },
  },
  async run({ values }, { print }) {
    const device = await findDevice(values);
    try {
      if (!device.updateReport) throw takesNoRequests(device.found);
      const { history, fallback } = await device.updateReport();
      if (values["json"]) {
        print(...jsonLines({ history, ...(fallback && { fallback }) }));
        return 0;
      }
      print(...(history.length > 0 ? historyTable(history) : ["no update has ended yet"]));
      if (values["log"]) {
        print(
          "",
          ...(fallback ? [`log of ${endText(fallback)}:`, ...(fallback.log ?? [])] : ["no fallback has left a log"]),
        );
      }
      return 0;
    } finally {
      device.close();
    }
  },
};
