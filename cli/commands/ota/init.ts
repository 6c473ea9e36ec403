// `ota init <folder>`: makes a publisher's folder: keys, and an empty repository for updates.
import { firstRootPath, initRepository } from "../../../ota/repository/init.ts";
import { systemClock } from "../../../system/clock.ts";
import { shellWord } from "../../../system/shell-word.ts";
import { type Command, required } from "../../terminal/command.ts";
import { askPassphrase, passphraseOptions } from "../neighborhood/passphrase.ts";

export const otaInit: Command = {
  usage: "ota init <folder>",
  summary: "make a repository for updates: keys, sealed by a passphrase, and an empty set of files for a web server",
  example: "hamlet ota init ota/",
  details: `
Makes <folder>/keys, which is yours alone, and <folder>/repository, which goes to any web server.
Then build images that trust it: hamlet image build --board nuc --release-root <folder>/repository/metadata/1.root.json
--repository <url of the web server> -o out/, and publish them: hamlet ota publish out/*.img --folder <folder>.
Keep a copy of the folder: without the keys every device has to be flashed again. The root keys (root-1 to root-3, two of them
sign) and the key "targets" are rarely needed: move them to another computer or a stick.`,
  options: { json: { type: "boolean", describe: "print the result as JSON" }, ...passphraseOptions },
  async run(input, { print, note }) {
    const folder = required(otaInit, input, 0, "the folder");
    const passphrase = await askPassphrase(input.values, { isNew: true });
    await initRepository(folder, { passphrase, now: systemClock.now() });
    const releaseRoot = firstRootPath(folder);
    if (input.values["json"]) print(JSON.stringify({ folder, releaseRoot }));
    else {
      print(`made the repository ${folder}`);
      const trust = `--repository <url of the web server> --release-root ${shellWord(releaseRoot)}`;
      print(`next: hamlet image build --board nuc ${trust} -o out/`);
    }
    note(`keep a copy of ${shellWord(folder)}: without its keys no device takes another update`);
    return 0;
  },
};
