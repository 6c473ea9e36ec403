// `lab status`: shows the virtual devices, how far each has started and its links to the others.
import { z } from "zod";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { LabStatus } from "../../../image/lab/supervisor/status.ts";
import type { Command } from "../../terminal/command.ts";
import { jsonLines } from "../../terminal/output.ts";
import { deviceTable } from "./lab.ts";

export const labStatus: Command = {
  usage: "lab status [--json]",
  summary: "show the virtual devices, how far each has started and its links to the others",
  example: "hamlet lab status --json",
  options: {
    json: { type: "boolean", describe: "print it as JSON" },
    schema: { type: "boolean", aloneBut: ["json"], describe: "print the JSON Schema of --json" },
  },
  async run({ values }, { print }) {
    if (values["schema"]) {
      print(...jsonLines(z.toJSONSchema(LabStatus)));
      return 0;
    }
    const status = await (await findLab()).status();
    if (values["json"]) print(...jsonLines(status));
    else for (const line of deviceTable(status.devices)) print(line);
    return 0;
  },
};
