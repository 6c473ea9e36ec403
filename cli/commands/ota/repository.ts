// How a command is told which repository it works on, and how it opens it.
import { openRepository, type Repository } from "../../../ota/repository/folder.ts";
import type { Lacking } from "../../../ota/repository/signatures.ts";
import { readTextFile } from "../../../system/json-file.ts";
import { shellWord } from "../../../system/shell-word.ts";
import { type Command, type Option, text, usageError, type Values } from "../../terminal/command.ts";
import { keptPublisher } from "../lab/publisher.ts";
import { askPassphrase, passphraseOptions } from "../neighborhood/passphrase.ts";

export const folderOption: Record<string, Option> = {
  folder: {
    type: "string",
    argument: "folder",
    describe: "the folder that hamlet ota init made (default: that of the lab, once a lab was started)",
  },
};
export const openOptions: Record<string, Option> = { ...folderOption, ...passphraseOptions };

export function folderOf(command: Command, values: Values): string {
  const folder = text(values, "folder") ?? keptPublisher()?.folder;
  if (folder === undefined) throw usageError(command, "--folder is missing: the one that hamlet ota init made");
  if (/^https?:/.test(folder))
    throw usageError(command, `--folder is the folder that hamlet ota init made, not '${folder}'`);
  return folder;
}

export async function open(command: Command, values: Values): Promise<Repository> {
  return await openRepository(folderOf(command, values), await passphraseOf(values));
}

export async function passphraseOf(values: Values): Promise<string> {
  const lab = text(values, "folder") === undefined ? keptPublisher() : undefined;
  return lab ? await readTextFile(lab.passphraseFile) : await askPassphrase(values);
}

/** Says what has to be signed elsewhere. */
export function noteLacking(lacking: readonly Lacking[], values: Values, note: (line: string) => void): void {
  if (lacking.length === 0) return;
  for (const { role, signatures } of lacking) note(`${role} needs ${signatures} more signature(s)`);
  const folder = shellWord(text(values, "folder") ?? keptPublisher()?.folder ?? "");
  note(`devices see nothing of it yet: where the keys are, type hamlet ota sign --folder ${folder}`);
}
