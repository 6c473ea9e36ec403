// `npm run docs`: writes the files that are generated from the code, for Nix and for people. A test compares them.
import { join } from "node:path";
import { agentSchema, optionTable } from "../../agent/schema.ts";
import { boardNamed, boardNames, piKernelOf } from "../../image/boards.ts";
import { configTxt } from "../../image/boot/rpi/config.ts";
import { firmwareByName, initrdModules, rescueModules, rootModules } from "../../image/bundle/debian/packages.ts";
import { masked, maskedGenerators } from "../../image/bundle/debian/units.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { packageFolder } from "../../system/package.ts";
import { codesDocument } from "../commands/help/codes.ts";
import { commandsDocument } from "../commands/help/reference.ts";

/** Paths in this project with their text. */
export async function documents(): Promise<[path: string, text: string][]> {
  const schema = agentSchema();
  const modules = {
    ...{
      initrd: initrdModules,
      rescue: rescueModules.join(" "),
      root: rootModules,
      firmware: firmwareByName.join(" "),
    },
  };
  const piBoards = boardNames.map(boardNamed).filter((board) => board.layout === "rpi");
  const configs = Object.fromEntries(
    piBoards.map((board) => [board.name, configTxt(piKernelOf(board, "nixos").deviceTrees)]),
  );
  return [
    ["nix/agent-schema.json", `${JSON.stringify(schema, null, 2)}\n`],
    ["nix/config-txt.json", `${JSON.stringify(configs, null, 2)}\n`],
    ["nix/kernel-modules.json", `${JSON.stringify(modules, null, 2)}\n`],
    ["nix/masked.json", `${JSON.stringify({ units: masked, generators: maskedGenerators }, null, 2)}\n`],
    ["nix/options.md", optionTable(schema)],
    ["cli/codes.md", codesDocument()],
    ["cli/commands.md", await commandsDocument()],
  ];
}

if (import.meta.main) {
  for (const [path, text] of await documents()) await writeFileAtomic(join(packageFolder, path), text, { mode: 0o644 });
}
