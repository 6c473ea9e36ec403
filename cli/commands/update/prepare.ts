// `update prepare [<version>]`: writes and verifies a release in the other slot, where it stays until somebody says restart.
import type { Command } from "../../terminal/command.ts";
import { requestOptions, requestUpdate, watchOption } from "./request.ts";

export const updatePrepare: Command = {
  usage: "update prepare [<version>] [--watch] [--json]",
  summary: "write and verify a release in the other slot, and wait with the restart",
  example: "hamlet update prepare --device attic --watch",
  details: `
Without <version> the newest release. The release stays ready over restarts and power cuts: the device verifies it again.
It starts with \`hamlet update restart\`. What the owner's settings allow an update to cost applies. Works on the device itself and
in the lab.`,
  options: { ...requestOptions, ...watchOption },
  run: ({ positionals: [version], values }, context) =>
    requestUpdate({ kind: "prepare", ...(version !== undefined && { version }) }, values, context),
};
