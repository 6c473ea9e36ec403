// `update seen`: acknowledges a fallback, so that the device no longer warns of it.
import { endText } from "../../../dashboard/update-words.ts";
import type { Command } from "../../terminal/command.ts";
import { findDeviceForRequests } from "../../terminal/device.ts";
import { ownedDeviceOptions, whereItWorks } from "../device/owned.ts";
import { updateOf } from "./follow.ts";

export const updateSeen: Command = {
  usage: "update seen",
  summary: "acknowledge a fallback, so that the device no longer warns of it",
  example: "hamlet update seen --device attic",
  details: `
The history keeps the fallback.
${whereItWorks}`,
  options: { ...ownedDeviceOptions, json: { type: "boolean", describe: "print the result as JSON" } },
  async run({ values }, { print }) {
    const device = await findDeviceForRequests(values);
    try {
      const { fallback } = updateOf(await device.status());
      await device.request("/v1/update", { kind: "seen" });
      if (values["json"]) print(JSON.stringify({ acknowledged: fallback ?? null }));
      else print(fallback ? `acknowledged: ${endText(fallback)}` : "there was nothing to acknowledge");
      return 0;
    } finally {
      device.close();
    }
  },
};
