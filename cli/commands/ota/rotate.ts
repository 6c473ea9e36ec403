// `ota rotate <key>`: replaces a key of a repository, because it is old, or because somebody else may have it.
import { openRepository } from "../../../ota/repository/folder.ts";
import { allKeys } from "../../../ota/repository/roles.ts";
import { rotateKey } from "../../../ota/repository/rotate.ts";
import { systemClock } from "../../../system/clock.ts";
import { type Command, required } from "../../terminal/command.ts";
import { folderOf, noteLacking, openOptions, passphraseOf } from "./repository.ts";

export const otaRotate: Command = {
  usage: "ota rotate <key> --folder <folder>",
  summary: "replace a key of a repository",
  example: "hamlet ota rotate timestamp --folder ota/",
  details: `
Keys: ${allKeys().join(", ")}. A key of TUF's roles is replaced by a new version of the root, which two root keys sign; a
board's by the key "targets". A key that is lost is replaced all the same: it signs nothing.
Devices follow without a visit, those as well that were off for long.`,
  options: { json: { type: "boolean", describe: "print the result as JSON" }, ...openOptions },
  choices: allKeys,
  async run(input, { print, note }) {
    const { values } = input;
    const name = required(otaRotate, input, 0, "the key");
    const folder = folderOf(otaRotate, values);
    const passphrase = await passphraseOf(values);
    const repository = await openRepository(folder, passphrase);
    const rotated = await rotateKey(repository, name, { passphrase, now: systemClock.now() });
    const { isReplaced, publicKey, lacking } = rotated;
    if (values["json"]) print(JSON.stringify({ key: name, publicKey, isReplaced, lacking }));
    else if (isReplaced) print(`replaced the key ${name}`);
    else print(`made a new key ${name}, ${publicKey}; the old one stays until all is signed`);
    noteLacking(lacking, values, note);
    return 0;
  },
};
