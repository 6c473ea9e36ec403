// Places new metadata into the repository: signs what this folder has keys for, and when nothing is missing writes the files in an
// order in which a device sees the old state or the new one. What lacks a signature waits in `staged/`.
import { readdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Metadata, Root, Targets } from "@tufjs/models";
import { writeFileAtomic } from "../../system/files.ts";
import type { Current } from "./current.ts";
import { expiryOf } from "./expiry.ts";
import { readIfThere } from "./files.ts";
import { metadataPath, type Repository, stagedPath } from "./folder.ts";
import { settleKeys } from "./keys.ts";
import {
  type Authority,
  addSignature,
  authorityOf,
  type Document,
  decodeDocument,
  encodeDocument,
  keyIdOf,
  makeSnapshot,
  makeTimestamp,
  signersOf,
  snapshotFile,
} from "./metadata.ts";
import { isTopRole } from "./roles.ts";

/** New versions by role: `root`, `targets`, boards'. */
export type Change = Map<string, Metadata<Root> | Metadata<Targets>>;
/** A role that needs so many more signatures, of keys that are not in this folder. */
export type Lacking = { role: string; signatures: number };

/** Writes nothing that devices see if the answer is not empty. The timestamp is new in any case. */
export async function place(repository: Repository, change: Change, now: number): Promise<Lacking[]> {
  const { folder, current } = repository;
  const next = after(current, change);
  const lacking: Lacking[] = [];
  const signed = (role: string, document: Document) => {
    const missing = signAs(role, document, repository, next);
    if (missing > 0) lacking.push({ role, signatures: missing });
  };
  for (const [role, document] of change) signed(role, document);
  const isSnapshotDue = change.size > 0 || expiryOf("snapshot", current.snapshot, now).state !== "fresh";
  if (isSnapshotDue) {
    const below = new Map([...change].filter(([role]) => role !== "root"));
    next.snapshot = makeSnapshot(below, current.snapshot.signed, current.snapshot.signed.version + 1, now);
    signed("snapshot", next.snapshot);
  }
  const named = isSnapshotDue ? snapshotFile(next.snapshot) : current.timestamp.signed.snapshotMeta;
  next.timestamp = makeTimestamp(named, current.timestamp.signed.version + 1, now);
  signed("timestamp", next.timestamp);
  // Also what can be placed at once, if it changes keys: after a crash in the middle `sign` does it again.
  if (lacking.length > 0 || change.has("root")) await writeStaged(folder, change);
  if (lacking.length > 0) return lacking;

  const write = (name: string, document: Document) =>
    writeFileAtomic(metadataPath(folder, name), encodeDocument(document), { mode: 0o644 });
  for (const [role, document] of change) {
    if (role !== "root") await write(`${document.signed.version}.${role}.json`, document);
  }
  if (isSnapshotDue) await write(`${next.snapshot.signed.version}.snapshot.json`, next.snapshot);
  await write("timestamp.json", next.timestamp);
  // Devices take a new root before all else. Until then everything above is signed by the keys of the old one too.
  if (change.has("root")) await write(`${next.root.signed.version}.root.json`, next.root);
  Object.assign(current, next);
  await settleKeys(folder, (publicKey) => isInForce(current, keyIdOf(publicKey)));
  await removeStaged(folder);
  return [];
}

function after(current: Current, change: Change): Current {
  const boards = new Map(current.boards);
  for (const [role, document] of change) {
    if (role !== "root" && role !== "targets") boards.set(role, document as Metadata<Targets>);
  }
  return {
    ...current,
    root: (change.get("root") as Metadata<Root> | undefined) ?? current.root,
    targets: (change.get("targets") as Metadata<Targets> | undefined) ?? current.targets,
    boards,
  };
}

const isInForce = ({ root, targets }: Current, keyId: string): boolean =>
  keyId in root.signed.keys || keyId in (targets.signed.delegations?.keys ?? {});

/** Whether this folder has a key that may sign `role`. */
export const canSign = ({ keys, current }: Repository, role: string): boolean => {
  const authority = authorityOf((isTopRole(role) ? current.root : current.targets).signed, role);
  return keys.some(({ publicKey }) => authority?.keyIds.includes(keyIdOf(publicKey)) ?? false);
};

/** Signs with every key that may; the answer is how many signatures are still missing. */
function signAs(role: string, document: Document, { keys, current }: Repository, next: Current): number {
  const authorities = authoritiesOf(role, current, next);
  const wanted = new Set(authorities.flatMap((one) => one?.keyIds ?? []));
  for (const key of keys) {
    if (wanted.has(keyIdOf(key.publicKey))) addSignature(document, key);
  }
  return missing(role, document, authorities);
}

/** Of what is staged. */
export function missingSignatures(current: Current, change: Change): Lacking[] {
  const next = after(current, change);
  return [...change].map(([role, document]) => ({
    role,
    signatures: missing(role, document, authoritiesOf(role, current, next)),
  }));
}

type Authorities = [before: Authority | undefined, from: Authority | undefined];

function authoritiesOf(role: string, current: Current, next: Current): Authorities {
  const [before, from] = isTopRole(role) ? [current.root, next.root] : [current.targets, next.targets];
  return [authorityOf(before.signed, role), authorityOf(from.signed, role)];
}

/** A root must be signed by its predecessor's keys too (TUF 5.3.4); an old key of another role may be lost. */
function missing(role: string, document: Document, [before, from]: Authorities): number {
  const by = (authority: Authority | undefined) =>
    authority ? Math.max(0, authority.threshold - signersOf(document, authority).length) : 1;
  return Math.max(by(from), role === "root" ? by(before) : 0);
}

async function writeStaged(folder: string, change: Change): Promise<void> {
  for (const [role, document] of change) await writeFileAtomic(stagedPath(folder, role), encodeDocument(document));
}

const removeStaged = (folder: string): Promise<void> =>
  rm(dirname(stagedPath(folder, "root")), { recursive: true, force: true });

/** What waits for signatures. Ignores what has been overtaken: another computer has placed a newer version meanwhile. */
export async function readStaged(folder: string, current: Current): Promise<Change> {
  const names = await readdir(dirname(stagedPath(folder, "root"))).catch(() => []);
  const change: Change = new Map();
  for (const name of names.sort()) {
    const role = /^([a-z0-9-]+)\.json$/.exec(name)?.[1];
    const bytes = role && (await readIfThere(stagedPath(folder, role)));
    if (!role || !bytes) continue;
    const document = decodeDocument(role, bytes, stagedPath(folder, role)) as Metadata<Root> | Metadata<Targets>;
    const before = role === "root" ? current.root : role === "targets" ? current.targets : current.boards.get(role);
    if (document.signed.version === (before?.signed.version ?? 0) + 1) change.set(role, document);
  }
  return change;
}
