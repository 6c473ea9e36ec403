// `ota export <version|newest>`: copies one release into a folder or one file, for a device without a network.
import { boardNames } from "../../../image/boards.ts";
import { exportRelease } from "../../../ota/repository/export.ts";
import { type Command, required, text, usageError } from "../../terminal/command.ts";
import { folderOf, folderOption } from "./repository.ts";

export const otaExport: Command = {
  usage: "ota export <version> --board <board> --folder <folder> -o <folder|file.tar>",
  summary: "copy one release into a folder or file, on a stick for example, for a device without a network",
  example: "hamlet ota export newest --board nuc --folder ota/ -o /media/stick/update",
  details: `
<version> is a published one, or newest. The folder holds all that a device with any other release needs, and can itself be
served by a web server. With -o <name>.tar it is one file for \`hamlet update install\` instead.`,
  options: {
    ...folderOption,
    board: { type: "string", argument: "board", choices: boardNames, describe: "the board whose release to copy" },
    out: {
      type: "string",
      short: "o",
      argument: "path",
      describe: "a new folder to write to, or a new file whose name ends in .tar",
    },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run(input, { print }) {
    const { values } = input;
    const version = required(otaExport, input, 0, "the version");
    const [board, out] = [text(values, "board"), text(values, "out")];
    if (board === undefined) throw usageError(otaExport, `--board is missing (${boardNames.join(", ")})`);
    if (out === undefined) throw usageError(otaExport, "-o <folder|file.tar> is missing");
    const exported = await exportRelease(folderOf(otaExport, values), { board, version, out });
    if (values["json"]) print(JSON.stringify({ folder: out, board, ...exported }));
    else print(`copied ${board} ${exported.version} to ${out}: ${exported.files} files`);
    return 0;
  },
};
