// `ota sign`: adds signatures to what waits for them, and renews metadata before it expires.
import { signRepository } from "../../../ota/repository/sign.ts";
import { systemClock } from "../../../system/clock.ts";
import type { Command } from "../../terminal/command.ts";
import { noteLacking, open, openOptions } from "./repository.ts";

export const otaSign: Command = {
  usage: "ota sign --folder <folder>",
  summary: "sign metadata that waits for signatures or expires soon",
  example: "hamlet ota sign --folder ota/",
  details: `
Signs the timestamp anew, and whatever is past half of its time and has its key in this folder. Run it once a week, by cron
for example, with HAMLET_PASSPHRASE or --passphrase-file; then copy the folder repository/ to the web server.
If two computers have the keys, copy the folder from one to the other and run it on both. What still waits for a signature holds up
nothing else. The exit code is 1 if there was nothing to add and the timestamp could not be renewed.`,
  options: { json: { type: "boolean", describe: "print the result as JSON" }, ...openOptions },
  async run({ values }, { print, note }) {
    const { placed, signed, lacking } = await signRepository(await open(otaSign, values), systemClock.now());
    const added = signed.filter((role) => !placed.includes(role));
    if (values["json"]) print(JSON.stringify({ placed, signed, lacking }));
    else {
      if (placed.length > 0) print(`signed ${placed.join(", ")}`);
      if (added.length > 0) print(`added a signature to ${added.join(", ")}`);
    }
    noteLacking(lacking, values, note);
    if (placed.length > 0 || added.length > 0) return 0;
    note("nothing was signed: the timestamp is the one from before");
    return 1;
  },
};
