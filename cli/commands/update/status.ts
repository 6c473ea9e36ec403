// `update status [--watch]`: what a device runs, what is newer, and how far an update is.
import { z } from "zod";
import { UpdateStatus } from "../../../agent/api/schema.ts";
import type { Command } from "../../terminal/command.ts";
import { findDevice } from "../../terminal/device.ts";
import { jsonLines } from "../../terminal/output.ts";
import { ownedDeviceOptions } from "../device/owned.ts";
import { awaitUpdater, updateOf } from "./follow.ts";
import { followFor } from "./follow-json.ts";
import { updateText } from "./words.ts";

export const updateStatus: Command = {
  usage: "update status [--watch] [--json]",
  summary: "show what a device runs, what is newer, and how far an update is",
  example: "hamlet update status --device attic --watch",
  details: `
With --watch it follows an update through the device's restart until it ends: exit code 0 if the device keeps the new release,
3 if it refuses it, 4 if it fell back to the one before.`,
  options: {
    ...ownedDeviceOptions,
    watch: { type: "boolean", short: "w", describe: "follow an update until it ends" },
    json: { type: "boolean", describe: "print JSON; with --watch one line for each change" },
    schema: { type: "boolean", aloneBut: ["json"], describe: "print the JSON Schema of --json instead" },
  },
  async run({ values }, context) {
    if (values["schema"]) {
      context.print(...jsonLines(z.toJSONSchema(UpdateStatus.extend({ device: z.string() }))));
      return 0;
    }
    const device = await findDevice(values);
    try {
      const status = values["watch"] ? await awaitUpdater(device) : await device.status();
      const update = updateOf(status);
      const { name } = status.self;
      if (values["json"] && !values["watch"]) context.print(...jsonLines({ device: name, ...update }));
      else if (!values["json"]) context.print(...updateText(name, update, Date.now(), values));
      // For a program the watch prints a line even then.
      if (!values["watch"] || (update.activity.phase === "idle" && !values["json"])) return 0;
      return await followFor(values, device, update, context);
    } finally {
      device.close();
    }
  },
};
