// The publisher's folder:
//
//   keys/<name>.key          sealed with the passphrase; a key may be elsewhere, then its steps are done there
//   staged/<role>.json       metadata that still lacks a signature of such a key
//   repository/              what devices see: static files for any web server, see ../format/names.ts
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metadata, Root, Snapshot, Targets, Timestamp } from "@tufjs/models";
import type { SigningKey } from "../../provisioning/trust/keys.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { shellWord } from "../../system/shell-word.ts";
import { metadataFolder } from "../format/names.ts";
import { openKeys } from "./keys.ts";
import { authorityOf, type Document, decodeDocument, isSigned } from "./metadata.ts";

export const repositoryFolder = (folder: string): string => join(folder, "repository");
export const metadataPath = (folder: string, name: string): string => join(folder, "repository", metadataFolder, name);
export const stagedPath = (folder: string, role: string): string => join(folder, "staged", `${role}.json`);

/** The metadata that a device with the newest timestamp has. */
export type Current = {
  root: Metadata<Root>;
  targets: Metadata<Targets>;
  boards: Map<string, Metadata<Targets>>;
  snapshot: Metadata<Snapshot>;
  timestamp: Metadata<Timestamp>;
};
export type Repository = {
  folder: string;
  /** Those that are in this folder, by name. */
  keys: ReadonlyMap<string, SigningKey>;
  current: Current;
};

/** Throws `ota.notFound`, `ota.noKey` for a wrong passphrase, `ota.damaged` or `file.invalid`. */
export async function openRepository(folder: string, passphrase: string): Promise<Repository> {
  const current = await readCurrent(folder);
  return { folder, keys: await openKeys(folder, passphrase), current };
}

/** What needs no key. Throws `ota.notFound` or `ota.damaged`. */
export async function readCurrent(folder: string): Promise<Current> {
  const first = await readIfThere(metadataPath(folder, "1.root.json"));
  if (!first) {
    throw new HamletError("ota.notFound", `${folder} is not an update repository`, {
      hint: `name the folder that hamlet ota init made, or make one: hamlet ota init ${shellWord(folder)}`,
    });
  }
  let root = decodeDocument("root", first, metadataPath(folder, "1.root.json"));
  for (let version = 2; ; version++) {
    const path = metadataPath(folder, `${version}.root.json`);
    const bytes = await readIfThere(path);
    if (!bytes) break;
    root = decodeDocument("root", bytes, path);
  }
  const timestamp = await read(folder, "timestamp", "timestamp.json", root);
  const snapshotVersion = timestamp.signed.snapshotMeta.version;
  const snapshot = await read(folder, "snapshot", `${snapshotVersion}.snapshot.json`, root);
  const versionOf = (role: string) => snapshot.signed.meta[`${role}.json`]?.version ?? 0;
  const targets = await read(folder, "targets", `${versionOf("targets")}.targets.json`, root);
  const boards = new Map<string, Metadata<Targets>>();
  for (const board of Object.keys(targets.signed.delegations?.roles ?? {})) {
    boards.set(board, await read(folder, board, `${versionOf(board)}.${board}.json`, targets));
  }
  return { root, targets, boards, snapshot, timestamp };
}

async function read<R extends string>(
  folder: string,
  role: R,
  name: string,
  delegator: Metadata<Root> | Metadata<Targets>,
): Promise<ReturnType<typeof decodeDocument<R>>> {
  const path = metadataPath(folder, name);
  const hint = "restore it from a copy of the repository";
  const bytes = await readIfThere(path);
  if (!bytes) throw new HamletError("ota.damaged", `${path} is missing`, { hint });
  const document = decodeDocument(role, bytes, path);
  const authority = authorityOf(delegator.signed, role);
  if (authority && isSigned(document as Document, authority)) return document;
  throw new HamletError("ota.damaged", `${path} is not signed by the keys of its role`, { hint });
}

export async function readIfThere(path: string): Promise<Buffer | undefined> {
  return await readFile(path).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  });
}
