// The publisher's folder:
//
//   keys/<name>.key          sealed with the passphrase; a key may be elsewhere, then its steps are done there
//   staged/<role>.json       metadata that still lacks a signature of such a key
//   repository/              what devices see: static files for any web server, see ../format/names.ts
import { join } from "node:path";
import type { SigningKey } from "../../provisioning/trust/keys.ts";
import { HamletError } from "../../system/error.ts";
import { shellWord } from "../../system/shell-word.ts";
import { metadataFolder } from "../format/names.ts";
import { type Current, readCurrent } from "./current.ts";
import { filesIn, readIfThere } from "./files.ts";
import { openKeys } from "./keys.ts";

export const repositoryFolder = (folder: string): string => join(folder, "repository");
export const metadataPath = (folder: string, name: string): string => join(folder, "repository", metadataFolder, name);
export const stagedPath = (folder: string, role: string): string => join(folder, "staged", `${role}.json`);

export type Repository = {
  folder: string;
  /** Those that are in this folder. */
  keys: readonly SigningKey[];
  current: Current;
};

/** Throws `ota.notFound`, `ota.noKey` for a wrong passphrase, `ota.damaged` or `file.invalid`. */
export async function openRepository(folder: string, passphrase: string): Promise<Repository> {
  const current = await readPublished(folder);
  return { folder, keys: await openKeys(folder, passphrase), current };
}

/** What needs no key. Throws `ota.notFound` or `ota.damaged`. */
export async function readPublished(folder: string): Promise<Current> {
  if (!(await readIfThere(metadataPath(folder, "1.root.json")))) {
    throw new HamletError("ota.notFound", `${folder} is not an update repository`, {
      hint: `name the folder that hamlet ota init made, or make one: hamlet ota init ${shellWord(folder)}`,
    });
  }
  return await readCurrent(filesIn(repositoryFolder(folder)));
}
