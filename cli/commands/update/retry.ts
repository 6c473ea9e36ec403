// `update retry`: tries a release again that failed before.
import type { Command } from "../../terminal/command.ts";
import { whereItWorks } from "../device/owned.ts";
import { requestOptions, requestUpdate, watchOption } from "./request.ts";

export const updateRetry: Command = {
  usage: "update retry [--watch] [--json]",
  summary: "try the newest release again although it failed before",
  example: "hamlet update retry --device attic --watch",
  details: `
A device does not try a failed release again by itself.
${whereItWorks}`,
  options: { ...requestOptions, ...watchOption },
  run: ({ values }, context) => requestUpdate({ kind: "retry" }, values, context),
};
