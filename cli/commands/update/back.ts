// `update back`: returns to the release in the other slot.
import type { Command } from "../../terminal/command.ts";
import { deviceOption, findDeviceForRequests } from "../../terminal/device.ts";
import { followUpdate, updateOf } from "./follow.ts";
import { watchOption } from "./request.ts";

export const updateBack: Command = {
  usage: "update back [--watch]",
  summary: "return to the release in the other slot, while it is whole",
  example: "hamlet update back --device attic",
  details: `
The device reads the other slot and restarts into it if every block is right. It does not install the release that it leaves
again by itself: a newer one, or \`hamlet update retry\`, ends that. Works on the device itself and in the lab.`,
  options: { ...deviceOption, ...watchOption },
  async run({ values }, context) {
    const device = await findDeviceForRequests(values);
    try {
      const status = await device.status();
      const before = updateOf(status);
      await device.request("/v1/update", { kind: "back" });
      if (values["watch"]) return await followUpdate(device, before, context);
      const { name } = status.self;
      context.print(`${name} checks its other slot and goes back to it; follow it: hamlet update status --watch`);
      return 0;
    } finally {
      device.close();
    }
  },
};
