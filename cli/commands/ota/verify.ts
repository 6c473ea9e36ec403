// `ota verify`: checks that every file of a repository is there and whole, on disk or on its web server.
import { filesAt, filesIn } from "../../../ota/repository/files.ts";
import { readPublished, repositoryFolder } from "../../../ota/repository/folder.ts";
import { compareRemote, verifyRepository } from "../../../ota/repository/verify.ts";
import { HamletError } from "../../../system/error.ts";
import { type Command, text } from "../../terminal/command.ts";
import { folderOf, folderOption } from "./repository.ts";

export const otaVerify: Command = {
  usage: "ota verify --folder <folder> [--remote <url>]",
  summary: "check that every file of a repository is there and is what the signed metadata names",
  example: "hamlet ota verify --folder ota/ --remote https://updates.example.org/",
  details: `
With --remote it fetches everything from the web server that devices use, and compares its state with the folder's.`,
  options: {
    ...folderOption,
    remote: { type: "string", argument: "url", describe: "check what this web server serves, instead of the folder" },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run({ values }, { print, note, progress }) {
    const folder = folderOf(otaVerify, values);
    const own = await readPublished(folder);
    const url = text(values, "remote");
    const files = url === undefined ? filesIn(repositoryFolder(folder)) : filesAt(url);
    const troubles = await verifyRepository(files, progress);
    if (url !== undefined && troubles.length === 0) {
      const difference = await compareRemote(own, files);
      if (difference !== undefined) troubles.push(`${url}: ${difference}`);
    }
    progress.end();
    const isWhole = troubles.length === 0;
    if (values["json"]) print(JSON.stringify({ checked: url ?? folder, isWhole, troubles }));
    else for (const one of troubles) note(one);
    if (!isWhole) {
      throw new HamletError("ota.damaged", `${url ?? folder} has ${troubles.length} fault(s)`, {
        hint:
          url === undefined ? "restore these files from a copy" : "copy the folder repository/ to the web server again",
      });
    }
    if (!values["json"]) print(`${url ?? folder} is whole`);
    return 0;
  },
};
