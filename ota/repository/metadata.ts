// TUF metadata as a publisher makes it (The Update Framework Specification 1.0.31).
// Pure.
import { hash, sign } from "node:crypto";
import { canonicalize } from "@tufjs/canonical-json";
import {
  Key,
  Metadata,
  type MetadataKind,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from "@tufjs/models";
import type { SigningKey } from "../../provisioning/trust/keys.ts";
import { HamletError } from "../../system/error.ts";
import { parseJsonBytes } from "../../system/json-file.ts";
import { isTopRole, periodMs, rootThreshold } from "./roles.ts";

export type Document = Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>;

const specVersion = "1.0.31";
const common = (role: string, version: number, now: number) => ({
  spec_version: specVersion,
  version,
  expires: new Date(now + periodMs(role)).toISOString().replace(/\.\d+Z$/, "Z"),
});

const keyJson = (publicKey: string) => ({
  keytype: "ed25519",
  scheme: "ed25519",
  keyval: { public: Buffer.from(publicKey, "base64url").toString("hex") },
});

/** TUF 4.2: the digest of the key in canonical JSON. */
export const keyIdOf = (publicKey: string): string => hash("sha256", canonicalize(keyJson(publicKey)));

const keyTable = (publicKeys: readonly string[]) =>
  Object.fromEntries(publicKeys.map((publicKey) => [keyIdOf(publicKey), keyJson(publicKey)]));

/** Public keys by role. */
export type RootKeys = Record<"root" | "targets" | "snapshot" | "timestamp", readonly string[]>;

export function makeRoot(keys: RootKeys, version: number, now: number): Metadata<Root> {
  const roles = Object.entries(keys).map(([role, publicKeys]) => [
    role,
    { keyids: publicKeys.map(keyIdOf), threshold: role === "root" ? rootThreshold : 1 },
  ]);
  return new Metadata(
    Root.fromJSON({
      _type: "root",
      ...common("root", version, now),
      consistent_snapshot: true,
      keys: keyTable(Object.values(keys).flat()),
      roles: Object.fromEntries(roles),
    }),
  );
}

/** Delegates `<board>/*` to each board's own key, and to nobody else. */
export function makeTargets(boardKeys: Record<string, string>, version: number, now: number): Metadata<Targets> {
  const roles = Object.entries(boardKeys).map(([board, publicKey]) => ({
    name: board,
    keyids: [keyIdOf(publicKey)],
    threshold: 1,
    terminating: true,
    paths: [`${board}/*`],
  }));
  return new Metadata(
    Targets.fromJSON({
      _type: "targets",
      ...common("targets", version, now),
      targets: {},
      delegations: { keys: keyTable(Object.values(boardKeys)), roles },
    }),
  );
}

/** The same, to be signed, with a delegation to a new board. */
export function withBoard(
  document: Metadata<Targets>,
  board: string,
  publicKey: string,
  now: number,
): Metadata<Targets> {
  const { version } = document.signed;
  const next = renewed("targets", document, now, version);
  const added = makeTargets({ [board]: publicKey }, version, now).signed.delegations!;
  Object.assign(next.signed.delegations!.keys, added.keys);
  Object.assign(next.signed.delegations!.roles!, added.roles);
  return next;
}

export type Target = { name: string; content: Buffer; publishedS: number };

export function makeBoard(
  board: string,
  targets: readonly TargetFile[],
  version: number,
  now: number,
): Metadata<Targets> {
  const made = new Targets({ specVersion, version, expires: common(board, version, now).expires });
  for (const target of targets) made.addTarget(target);
  return new Metadata(made);
}

export const makeTarget = ({ name, content, publishedS }: Target): TargetFile =>
  new TargetFile({
    path: name,
    length: content.length,
    hashes: { sha256: hash("sha256", content) },
    unrecognizedFields: { custom: { publishedS } },
  });

const fileOf = (version: number, content: Buffer) => ({
  version,
  length: content.length,
  hashes: { sha256: hash("sha256", content) },
});

/** `changed` by role: `targets` and the boards'; of all others `before` says what it said. */
export function makeSnapshot(
  changed: ReadonlyMap<string, Document>,
  before: Snapshot | undefined,
  version: number,
  now: number,
): Metadata<Snapshot> {
  const files = [...changed].map(([role, one]) => [`${role}.json`, fileOf(one.signed.version, encodeDocument(one))]);
  const kept = Object.entries(before?.meta ?? {}).map(([name, file]) => [name, file.toJSON()]);
  const meta = { ...Object.fromEntries(kept), ...Object.fromEntries(files) };
  return new Metadata(Snapshot.fromJSON({ _type: "snapshot", ...common("snapshot", version, now), meta }));
}

export const snapshotFile = (snapshot: Metadata<Snapshot>): MetaFile =>
  MetaFile.fromJSON(fileOf(snapshot.signed.version, encodeDocument(snapshot)));

export function makeTimestamp(snapshot: MetaFile, version: number, now: number): Metadata<Timestamp> {
  const meta = { "snapshot.json": snapshot.toJSON() };
  return new Metadata(Timestamp.fromJSON({ _type: "timestamp", ...common("timestamp", version, now), meta }));
}

export const encodeDocument = (document: Document): Buffer => Buffer.from(`${JSON.stringify(document.toJSON())}\n`);

type DocumentOf<R extends string> = R extends "root"
  ? Metadata<Root>
  : R extends "snapshot"
    ? Metadata<Snapshot>
    : R extends "timestamp"
      ? Metadata<Timestamp>
      : Metadata<Targets>;

/** Throws `ota.damaged`. */
export function decodeDocument<R extends string>(role: R, bytes: Uint8Array, name: string): DocumentOf<R> {
  const read = parseJsonBytes(bytes);
  const damaged = (why: string, cause?: unknown) =>
    new HamletError("ota.damaged", `${name} ${why}`, { hint: "restore it from a copy of the repository", cause });
  if ("trouble" in read) throw damaged(read.trouble);
  try {
    const kind = isTopRole(role) ? role : "targets";
    // One overload for each kind; ours is the union of them.
    const parse = Metadata.fromJSON as (kind: MetadataKind, json: never) => Document;
    const document = parse(kind as MetadataKind, read.json as never);
    if (Number.isNaN(Date.parse(document.signed.expires))) throw new Error("its expiry is no date");
    return document as DocumentOf<R>;
  } catch (cause) {
    throw damaged("is no valid metadata", cause);
  }
}

/** The same, to be signed, in the next version or the one that is given. */
export function renewed<D extends Document>(
  role: string,
  document: D,
  now: number,
  version = document.signed.version + 1,
): D {
  const signed = { ...document.signed.toJSON(), ...common(role, version, now) };
  return decodeDocument(role, Buffer.from(JSON.stringify({ signatures: [], signed })), role) as Document as D;
}

/** The same, to be signed, with `to` in the place of the key with the id `from`, wherever it signs. */
export function withKey<D extends Metadata<Root> | Metadata<Targets>>(
  role: "root" | "targets",
  document: D,
  from: string,
  to: string,
  now: number,
): D {
  const next = renewed(role, document, now, document.signed.version);
  const keys = "keys" in next.signed ? next.signed.keys : next.signed.delegations?.keys;
  // A key's id occurs as a whole word only; its public half once, in its own entry.
  const text = JSON.stringify(next.toJSON())
    .replaceAll(from, keyIdOf(to))
    .replaceAll(keys![from]!.keyVal["public"]!, keyJson(to).keyval.public);
  return decodeDocument(role, Buffer.from(text), role) as Document as D;
}

export function addSignature(document: Document, key: SigningKey): void {
  document.sign(
    (bytes) => new Signature({ keyID: keyIdOf(key.publicKey), sig: sign(null, bytes, key.privateKey).toString("hex") }),
  );
}

/** By the key itself: what metadata has under the key's id may be another one. */
export function isSignedBy(document: Document, { publicKey }: SigningKey): boolean {
  try {
    Key.fromJSON(keyIdOf(publicKey), keyJson(publicKey)).verifySignature(document);
    return true;
  } catch {
    return false;
  }
}

export type Authority = { keys: Record<string, Key>; keyIds: readonly string[]; threshold: number };

/** Who may sign `role`, as `delegator` says: the root for TUF's own roles, `targets` for a board's. */
export function authorityOf(delegator: Root | Targets, role: string): Authority | undefined {
  const isRoot = delegator instanceof Root;
  const found = isRoot ? delegator.roles[role] : delegator.delegations?.roles?.[role];
  const keys = isRoot ? delegator.keys : delegator.delegations?.keys;
  return found && keys && { keys, keyIds: found.keyIDs, threshold: found.threshold };
}

/** The ids of the keys whose signature is valid. */
export const signersOf = (document: Document, { keys, keyIds }: Authority): string[] =>
  keyIds.filter((id) => {
    try {
      keys[id]?.verifySignature(document);
      return keys[id] !== undefined;
    } catch {
      return false;
    }
  });

export const isSigned = (document: Document, authority: Authority): boolean =>
  signersOf(document, authority).length >= authority.threshold;
