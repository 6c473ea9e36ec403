// `status [--json] [--watch]`: shows the neighborhood as one device sees it.
import { z } from "zod";
import { Status } from "../../../agent/api/schema.ts";
import { sleep } from "../../../system/clock.ts";
import { describeError } from "../../../system/error.ts";
import type { Command } from "../../terminal/command.ts";
import { findDevice } from "../../terminal/device.ts";
import { jsonLines } from "../../terminal/output.ts";
import { ownedDeviceOptions } from "./owned.ts";
import { statusText } from "./status-table.ts";

const watchMs = 2_000;

export const status: Command = {
  usage: "status [--json] [--watch]",
  summary: "show the members, their links and what is wrong",
  example: "hamlet status --device cellar --watch",
  details: `
Asks the agent on this computer, else the running lab. In the table * marks the device that answers.
A device on the link shows strangers its public page only. To its owner it tells all: with --neighborhood the question is signed with
the operator key in that folder, which asks for the passphrase, and only this computer can read the answer.`,
  options: {
    ...ownedDeviceOptions,
    json: { type: "boolean", describe: "print JSON; with --watch one line each time" },
    watch: { type: "boolean", short: "w", describe: "print it every 2 seconds until Ctrl-C" },
    schema: { type: "boolean", aloneBut: ["json"], describe: "print the JSON Schema of --json instead" },
  },
  async run({ values }, { print, note, unread }) {
    if (values["schema"]) {
      print(...jsonLines(z.toJSONSchema(Status)));
      return 0;
    }
    const device = await findDevice(values);
    const show = async () => {
      const found = await device.status();
      if (values["json"]) return print(...(values["watch"] ? [JSON.stringify(found)] : jsonLines(found)));
      // Cursor home, then clear the rest of a longer table.
      if (values["watch"] && process.stdout.isTTY) process.stdout.write("\x1b[H\x1b[J");
      print(...statusText(found, Date.now()));
    };
    try {
      if (!values["watch"]) return void (await show());
      while (!unread?.aborted) {
        await show().catch((error: unknown) => note(describeError(error)));
        await sleep(watchMs, unread).catch(() => {});
      }
      return 0;
    } finally {
      device.close();
    }
  },
};
