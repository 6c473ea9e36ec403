// The metadata in force: what a device has that has seen the newest timestamp.
import { hash } from "node:crypto";
import type { Metadata, MetaFile, Root, Snapshot, Targets, Timestamp } from "@tufjs/models";
import { HamletError } from "../../system/error.ts";
import { metadataFolder } from "../format/names.ts";
import type { Files } from "./files.ts";
import { authorityOf, type Document, decodeDocument, isSigned } from "./metadata.ts";

export type Current = {
  root: Metadata<Root>;
  targets: Metadata<Targets>;
  boards: Map<string, Metadata<Targets>>;
  snapshot: Metadata<Snapshot>;
  timestamp: Metadata<Timestamp>;
};
type DocumentOf<R extends string> = ReturnType<typeof decodeDocument<R>>;

/** `anchor`: sha256 of the first root, where it is known. Throws `ota.damaged` for what is missing, or not signed by the keys of its role. */
export async function readCurrent(files: Files, anchor?: string): Promise<Current> {
  const root = await readRoot(files, anchor);
  const timestamp = await readDocument(files, "timestamp", undefined, root);
  const snapshot = await readDocument(files, "snapshot", timestamp.signed.snapshotMeta, root);
  const named = (role: string) => {
    const file = snapshot.signed.meta[`${role}.json`];
    if (!file) throw damaged(files, `${snapshot.signed.version}.snapshot.json`, `does not name the role ${role}`);
    return file;
  };
  const targets = await readDocument(files, "targets", named("targets"), root);
  const boards = new Map<string, Metadata<Targets>>();
  for (const board of Object.keys(targets.signed.delegations?.roles ?? {})) {
    boards.set(board, await readDocument(files, board, named(board), targets));
  }
  return { root, timestamp, snapshot, targets, boards };
}

/** The newest, each signed by its own keys and its predecessor's. */
async function readRoot(files: Files, anchor: string | undefined): Promise<Metadata<Root>> {
  const first = await files.read(`${metadataFolder}/1.root.json`);
  if (!first) throw damaged(files, "1.root.json", "is missing");
  if (anchor !== undefined && hash("sha256", first) !== anchor)
    throw damaged(files, "1.root.json", "is not the root that the keys were made for");
  let root = decodeDocument("root", first, files.nameOf(`${metadataFolder}/1.root.json`));
  requireSigned(files, "1.root.json", root, root, "root");
  for (let version = 2; ; version++) {
    const name = `${version}.root.json`;
    const bytes = await files.read(`${metadataFolder}/${name}`);
    if (!bytes) return root;
    const next = decodeDocument("root", bytes, files.nameOf(`${metadataFolder}/${name}`));
    for (const delegator of [root, next]) requireSigned(files, name, next, delegator, "root");
    root = next;
  }
}

/** `named`: what the document above says of it; nothing does of the timestamp. */
async function readDocument<R extends string>(
  files: Files,
  role: R,
  named: MetaFile | undefined,
  delegator: Metadata<Root> | Metadata<Targets>,
): Promise<DocumentOf<R>> {
  const name = `${named ? `${named.version}.` : ""}${role}.json`;
  const bytes = await files.read(`${metadataFolder}/${name}`);
  if (!bytes) throw damaged(files, name, "is missing");
  try {
    named?.verify(bytes);
  } catch {
    throw damaged(files, name, "has other content");
  }
  const document = decodeDocument(role, bytes, files.nameOf(`${metadataFolder}/${name}`));
  requireSigned(files, name, document as Document, delegator, role);
  return document;
}

function requireSigned(
  files: Files,
  name: string,
  document: Document,
  delegator: Metadata<Root> | Metadata<Targets>,
  role: string,
): void {
  const authority = authorityOf(delegator.signed, role);
  if (!authority || !isSigned(document, authority)) throw damaged(files, name, "is not signed by the keys of its role");
}

const damaged = (files: Files, name: string, why: string): HamletError =>
  new HamletError("ota.damaged", `${files.nameOf(`${metadataFolder}/${name}`)} ${why}`, {
    hint: "restore it from a copy of the repository",
  });
