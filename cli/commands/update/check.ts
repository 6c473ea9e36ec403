// `update check`: asks the repository for a newer release.
import type { Command } from "../../terminal/command.ts";
import { whereItWorks } from "../device/owned.ts";
import { requestOptions, requestUpdate } from "./request.ts";

export const updateCheck: Command = {
  usage: "update check [--json]",
  summary: "ask the repository whether there is a newer release",
  example: "hamlet update check --device attic",
  details: whereItWorks,
  options: requestOptions,
  run: ({ values }, context) => requestUpdate({ kind: "check" }, values, context),
};
