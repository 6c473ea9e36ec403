// `init <folder> --name "Elm Street"`: makes a new neighborhood, or restores a lost one from its recovery sheet.
import { join } from "node:path";
import { initNeighborhood, recoverNeighborhood } from "../../../provisioning/neighborhood/neighborhood.ts";
import { systemClock } from "../../../system/clock.ts";
import { readTextFile } from "../../../system/json-file.ts";
import { shellWord } from "../../../system/shell-word.ts";
import { type Command, required, text, usageError } from "../../terminal/command.ts";
import { askPassphrase, passphraseOptions } from "./passphrase.ts";

export const init: Command = {
  usage: "init <folder> --name <name> | --recover <sheet>",
  summary: "make a neighborhood: its root key, sealed by a passphrase, and a recovery sheet",
  example: 'hamlet init elm-street --name "Elm Street"',
  details: `
The folder holds the root key, its successor and your operator key, all sealed by one passphrase.
Never copy it to a device. recovery.txt is for paper: print it, put it in a safe place, and delete the file.
--recover restores the same neighborhood from that sheet, on any computer.`,
  options: {
    name: { type: "string", describe: "what people call the neighborhood", argument: "name" },
    recover: { type: "string", describe: "a recovery sheet, typed into a file", argument: "sheet" },
    json: { type: "boolean", describe: "print the result as JSON" },
    ...passphraseOptions,
  },
  async run(input, { print, note }) {
    const folder = required(init, input, 0, "the folder");
    const name = text(input.values, "name");
    const sheetPath = text(input.values, "recover");
    if (sheetPath === undefined && name === undefined) throw usageError(init, "--name or --recover is missing");

    const sheet = sheetPath === undefined ? undefined : await readTextFile(sheetPath);
    const passphrase = await askPassphrase(input.values, { isNew: true });
    const now = systemClock.now();
    const { file } =
      sheet === undefined
        ? await initNeighborhood(folder, { name: name ?? "", passphrase, now })
        : await recoverNeighborhood(folder, sheet, { ...(name !== undefined && { name }), passphrase, now });

    const recoverySheet = join(folder, "recovery.txt");
    if (input.values["json"]) print(JSON.stringify({ id: file.id, name: file.name, folder, recoverySheet }));
    else {
      print(`${sheet === undefined ? "made" : "recovered"} ${file.name}, neighborhood ${file.id}, in ${folder}`);
      print(`next: hamlet provision <image> --neighborhood ${shellWord(folder)} --name attic`);
    }
    note(`print ${shellWord(recoverySheet)} and delete the file: it opens the neighborhood without the passphrase`);
    return 0;
  },
};
