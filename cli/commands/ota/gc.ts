// `ota gc`: removes what no device can ask for any more.
import { collectGarbage } from "../../../ota/repository/gc.ts";
import { systemClock } from "../../../system/clock.ts";
import type { Command } from "../../terminal/command.ts";
import { folderOf, folderOption } from "./repository.ts";

export const otaGc: Command = {
  usage: "ota gc --folder <folder> [--dry-run]",
  summary: "remove files that no device can ask for any more",
  example: "hamlet ota gc --folder ota/",
  details: `
Keeps what any manifest of the last 30 days needs, and the last four releases of each board.`,
  options: {
    ...folderOption,
    "dry-run": { type: "boolean", describe: "only say what it would remove" },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run({ values }, { print }) {
    const isDry = values["dry-run"] === true;
    const removed = await collectGarbage(folderOf(otaGc, values), { now: systemClock.now(), isDry });
    if (values["json"]) print(JSON.stringify(removed));
    else {
      const { files, bytes } = removed;
      print(`${isDry ? "would remove" : "removed"} ${files} file(s), ${(bytes / 1e6).toFixed(1)} MB`);
    }
    return 0;
  },
};
