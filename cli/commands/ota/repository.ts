// How a command is told which repository it works on, and how it opens it.
import { openRepository, type Repository } from "../../../ota/repository/folder.ts";
import { type Command, type Option, text, usageError, type Values } from "../../terminal/command.ts";
import { askPassphrase, passphraseOptions } from "../neighborhood/passphrase.ts";

export const repositoryOption: Record<string, Option> = {
  repository: { type: "string", argument: "folder", describe: "the folder that hamlet ota init made" },
};
export const openOptions: Record<string, Option> = { ...repositoryOption, ...passphraseOptions };

export function folderOf(command: Command, values: Values): string {
  const folder = text(values, "repository");
  if (folder === undefined) throw usageError(command, "--repository is missing: the folder that hamlet ota init made");
  if (/^https?:/.test(folder)) throw usageError(command, `--repository is the publisher's folder, not '${folder}'`);
  return folder;
}

export async function open(command: Command, values: Values): Promise<Repository> {
  return await openRepository(folderOf(command, values), await askPassphrase(values));
}
