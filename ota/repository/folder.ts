// The publisher's folder:
//
//   keys/<name>.key          sealed with the passphrase; a key may be elsewhere, then its steps are done there
//   staged/<role>.json       metadata that still lacks a signature of such a key; anybody may have put it there, see review.ts
//   repository/              what devices see: static files for any web server, see ../format/names.ts
import { join } from "node:path";
import type { SigningKey } from "../../provisioning/trust/keys.ts";
import { HamletError } from "../../system/error.ts";
import { shellWord } from "../../system/shell-word.ts";
import { metadataFolder } from "../format/names.ts";
import { type Current, readCurrent } from "./current.ts";
import { filesIn, readIfThere } from "./files.ts";
import { openKeys } from "./keys.ts";
import { decodeDocument } from "./metadata.ts";

export const repositoryFolder = (folder: string): string => join(folder, "repository");
export const metadataPath = (folder: string, name: string): string => join(folder, "repository", metadataFolder, name);
export const stagedPath = (folder: string, role: string): string => join(folder, "staged", `${role}.json`);

export type Repository = {
  folder: string;
  /** Those that are in this folder. */
  keys: readonly SigningKey[];
  /** The first root's sha256, as the sealed keys say it: whoever can write to the folder can exchange all metadata, and not this. */
  anchor?: string | undefined;
  current: Current;
};

/** Throws `ota.notFound`, `ota.noKey` for a wrong passphrase, `ota.damaged` or `file.invalid`. */
export async function openRepository(folder: string, passphrase: string): Promise<Repository> {
  const opened = await openKeys(folder, passphrase);
  const { current } = await readUnfinished(folder, opened.anchor);
  return { folder, ...opened, current };
}

/** What needs no key. Throws `ota.notFound` or `ota.damaged`. */
export async function readPublished(folder: string, anchor?: string): Promise<Current> {
  if (!(await readIfThere(metadataPath(folder, "1.root.json")))) {
    throw new HamletError("ota.notFound", `${folder} is not an update repository`, {
      hint: `name the folder that hamlet ota init made, or make one: hamlet ota init ${shellWord(folder)}`,
    });
  }
  try {
    return await readCurrent(filesIn(repositoryFolder(folder)), anchor);
  } catch (cause) {
    if (!(await readWithStagedRoot(folder, anchor))) throw cause;
    throw new HamletError("ota.damaged", `a command in ${folder} was stopped before it wrote the new root`, {
      hint: `finish it: hamlet ota sign --folder ${shellWord(folder)}`,
      cause,
    });
  }
}

/** `root`: the new one, still to be written, without which nobody can check the rest: the old key was lost and has signed nothing of it. */
export type Unfinished = { current: Current; root?: { name: string; bytes: Buffer } };

/** As `readPublished`, also after a command that was killed in the middle of replacing a lost key. */
export async function readUnfinished(folder: string, anchor?: string): Promise<Unfinished> {
  try {
    return { current: await readPublished(folder, anchor) };
  } catch (error) {
    const unfinished = await readWithStagedRoot(folder, anchor);
    if (!unfinished) throw error;
    return unfinished;
  }
}

/** Undefined unless the staged root has all its signatures and leads to the rest. */
async function readWithStagedRoot(folder: string, anchor: string | undefined): Promise<Unfinished | undefined> {
  const bytes = await readIfThere(stagedPath(folder, "root"));
  if (!bytes) return undefined;
  const files = filesIn(repositoryFolder(folder));
  try {
    const name = `${decodeDocument("root", bytes, "the staged root").signed.version}.root.json`;
    const read = async (path: string) =>
      (await files.read(path)) ?? (path === `${metadataFolder}/${name}` ? bytes : undefined);
    return { current: await readCurrent({ ...files, read }, anchor), root: { name, bytes } };
  } catch {
    return undefined;
  }
}
