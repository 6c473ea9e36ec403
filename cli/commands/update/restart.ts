// `update restart`: restarts a device into the release that is ready in its other slot.
import { again } from "../../terminal/again.ts";
import type { Command } from "../../terminal/command.ts";
import { findDeviceForRequests } from "../../terminal/device.ts";
import { jsonLines } from "../../terminal/output.ts";
import { updateOf } from "./follow.ts";
import { followFor } from "./follow-json.ts";
import { requestOptions, watchOption } from "./request.ts";

export const updateRestart: Command = {
  usage: "update restart [--watch] [--json]",
  summary: "restart a device into the release that `update prepare` has made ready",
  example: "hamlet update restart --device attic --watch",
  details: `
Refused with update.notReady if nothing is ready. The device tries the release, and returns by itself if it does not pass its checks.
Works on the device itself and in the lab.`,
  options: { ...requestOptions, ...watchOption },
  async run({ values }, context) {
    const device = await findDeviceForRequests(values);
    try {
      const status = await device.status();
      const before = updateOf(status);
      await device.request("/v1/update", { kind: "restart" });
      if (values["watch"]) return await followFor(values, device, before, context);
      const { name } = status.self;
      if (values["json"]) context.print(...jsonLines({ device: name, ...before }));
      else context.print(`${name} restarts; follow it: ${again("hamlet update status --watch", values)}`);
      return 0;
    } finally {
      device.close();
    }
  },
};
