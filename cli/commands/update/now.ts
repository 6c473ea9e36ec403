// `update now`: updates a device to the newest release, or goes on with an update that was cut off.
import type { Command } from "../../terminal/command.ts";
import { whereItWorks } from "../device/owned.ts";
import { requestOptions, requestUpdate, watchOption } from "./request.ts";

export const updateNow: Command = {
  usage: "update now [--watch] [--json]",
  summary: "update a device to the newest release, without waiting for its own check",
  example: "hamlet update now --device attic --watch",
  details: `
Returns once the update has begun; --watch follows it until it ends. An update that was cut off goes on where it was.
The device writes its other slot, restarts into it, and returns by itself if the new release does not pass its checks.
${whereItWorks}`,
  options: { ...requestOptions, ...watchOption },
  run: ({ values }, context) => requestUpdate({ kind: "now" }, values, context),
};
