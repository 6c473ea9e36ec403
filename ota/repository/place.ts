// Places new metadata into the repository: signs what this folder has keys for, and writes what is complete in an order in which a
// device sees the old state or the new one. What lacks a signature waits in `staged/`, and holds up nothing else.
import type { Metadata, Snapshot, Timestamp } from "@tufjs/models";
import { writeFileAtomic } from "../../system/files.ts";
import type { Current } from "./current.ts";
import { expiryOf } from "./expiry.ts";
import { metadataPath, type Repository } from "./folder.ts";
import { settleKeys } from "./keys.ts";
import { type Document, encodeDocument, keyIdOf, makeSnapshot, makeTimestamp, snapshotFile } from "./metadata.ts";
import { after, type Lacking, lackingFor, missingOf, placeable, signAs } from "./signatures.ts";
import { type Change, keepStaged, writeStaged } from "./staged.ts";

/** `placed`: roles that devices see in a new version, the timestamp last; empty if that one or what it needs cannot be signed here. */
export type Placed = { placed: string[]; lacking: Lacking[] };

/** `change` has whatever is staged in it, but for the roles that are `left`: what is in neither waits no longer. The timestamp is new in any case. */
export async function place(
  repository: Repository,
  change: Change,
  now: number,
  left: readonly string[] = [],
): Promise<Placed> {
  const { folder, current } = repository;
  const wanted = after(current, change);
  for (const [role, document] of change) signAs(role, document, repository, wanted);
  const whole = makeTop(repository, placeable(current, change), wanted, now);
  const lacking = [...lackingFor(current, change), ...whole.lacking];
  // Also what can be placed at once, if it changes keys: after a crash in the middle `sign` does it again.
  if (lacking.length > 0 || change.has("root")) await writeStaged(folder, change);
  const top = whole.lacking.length === 0 ? whole : lesserTop(repository, change, wanted, now);
  if (!top) return { placed: [], lacking };

  const { part, snapshot, timestamp } = top;
  const write = (name: string, document: Document) =>
    writeFileAtomic(metadataPath(folder, name), encodeDocument(document), { mode: 0o644 });
  for (const [role, document] of part) {
    if (role !== "root") await write(`${document.signed.version}.${role}.json`, document);
  }
  if (snapshot !== current.snapshot) await write(`${snapshot.signed.version}.snapshot.json`, snapshot);
  await write("timestamp.json", timestamp);
  // Devices take a new root before all else. Until then everything above is signed by the keys of the old one too.
  const root = part.get("root");
  if (root) await write(`${root.signed.version}.root.json`, root);
  Object.assign(current, after(current, part), { snapshot, timestamp });
  await settleKeys(folder, (publicKey) => isInForce(current, keyIdOf(publicKey)));
  await keepStaged(folder, [...left, ...[...change.keys()].filter((role) => !part.has(role))]);
  return { placed: [...part.keys(), "timestamp"], lacking };
}

/** Whether the metadata that devices see names the key. */
export const isInForce = ({ root, targets }: Current, keyId: string): boolean =>
  keyId in root.signed.keys || keyId in (targets.signed.delegations?.keys ?? {});

/** What leads devices to `part`. */
type Top = { part: Change; snapshot: Metadata<Snapshot>; timestamp: Metadata<Timestamp>; lacking: Lacking[] };

/** Once a new root, or everything, waits for a signature of snapshot or timestamp: the rest under the keys in force, or the timestamp alone. */
function lesserTop(repository: Repository, change: Change, wanted: Current, now: number): Top | undefined {
  const { current } = repository;
  const underOldRoot = placeable(current, new Map([...change].filter(([role]) => role !== "root")));
  const tops = [
    makeTop(repository, underOldRoot, wanted, now),
    makeTop(repository, new Map(), wanted, now, current.snapshot),
  ];
  return tops.find(({ lacking }) => lacking.length === 0);
}

/** `wanted`: what will be in force in the end, whose keys sign as well. */
function makeTop(
  repository: Repository,
  part: Change,
  wanted: Current,
  now: number,
  keptSnapshot?: Metadata<Snapshot>,
): Top {
  const { current } = repository;
  const next = after(current, part);
  const lacking: Lacking[] = [];
  const signed = (role: string, document: Document) => {
    signAs(role, document, repository, wanted);
    const signatures = missingOf(role, document, current, next);
    if (signatures > 0) lacking.push({ role, signatures });
  };
  const isSnapshotDue = part.size > 0 || expiryOf("snapshot", current.snapshot, now).state !== "fresh";
  let snapshot = keptSnapshot ?? current.snapshot;
  if (!keptSnapshot && isSnapshotDue) {
    const below = new Map([...part].filter(([role]) => role !== "root"));
    snapshot = makeSnapshot(below, current.snapshot.signed, current.snapshot.signed.version + 1, now);
    signed("snapshot", snapshot);
  }
  const isKept = snapshot === current.snapshot;
  const named = isKept ? current.timestamp.signed.snapshotMeta : snapshotFile(snapshot);
  const timestamp = makeTimestamp(named, current.timestamp.signed.version + 1, now);
  signed("timestamp", timestamp);
  return { part, snapshot, timestamp, lacking };
}
