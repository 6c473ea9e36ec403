// Which signatures new metadata has and lacks, and how much of it can be placed without what still lacks some.
import type { Metadata, Root, Targets } from "@tufjs/models";
import type { SigningKey } from "../../provisioning/trust/keys.ts";
import type { Current } from "./current.ts";
import { documentsOf } from "./expiry.ts";
import type { Repository } from "./folder.ts";
import { type Authority, addSignature, authorityOf, type Document, keyIdOf, signersOf } from "./metadata.ts";
import { isTopRole } from "./roles.ts";
import type { Change } from "./staged.ts";

/** A role that needs so many more signatures, of keys that are not in this folder. */
export type Lacking = { role: string; signatures: number };

/** What is in force once `change` is placed. */
export function after(current: Current, change: Change): Current {
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

/** This folder's keys that sign `role` before `next` is in force or afterwards. */
export function keysFor({ keys, current }: Repository, role: string, next: Current): SigningKey[] {
  const wanted = new Set([current, next].flatMap((one) => authorityIn(one, role)?.keyIds ?? []));
  return keys.filter(({ publicKey }) => wanted.has(keyIdOf(publicKey)));
}

/** Whether this folder has a key that may sign `role`. */
export const canSign = ({ keys, current }: Repository, role: string): boolean => {
  const authority = authorityIn(current, role);
  return keys.some(({ publicKey }) => authority?.keyIds.includes(keyIdOf(publicKey)) ?? false);
};

/** Whether a key that is not in this folder has signed `document`, before `next` is in force or afterwards. */
export function isSignedElsewhere(
  role: string,
  document: Document,
  { keys, current }: Repository,
  next: Current,
): boolean {
  const own = new Set(keys.map(({ publicKey }) => keyIdOf(publicKey)));
  return [current, next].some((one) => {
    const authority = authorityIn(one, role);
    return authority !== undefined && signersOf(document, authority).some((id) => !own.has(id));
  });
}

/** Signs with every key that may, before `next` is in force or afterwards. */
export function signAs(role: string, document: Document, repository: Repository, next: Current): void {
  for (const key of keysFor(repository, role, next)) addSignature(document, key);
}

/** A root must be signed by its predecessor's keys too (TUF 5.3.4); an old key of another role may be lost. */
export function missingOf(role: string, document: Document, current: Current, next: Current): number {
  const by = (authority: Authority | undefined) =>
    authority ? Math.max(0, authority.threshold - signersOf(document, authority).length) : 1;
  return Math.max(by(authorityIn(next, role)), role === "root" ? by(authorityIn(current, role)) : 0);
}

/** Of what is staged. */
export function missingSignatures(current: Current, change: Change): Lacking[] {
  const next = after(current, change);
  return [...change].map(([role, document]) => ({ role, signatures: missingOf(role, document, current, next) }));
}

/** What keeps `change` from being placed as a whole: also what stays as it is, if the change replaces its key. */
export function lackingFor(current: Current, change: Change): Lacking[] {
  const next = after(current, change);
  return [...documentsOf(next)].flatMap(([role, document]) => {
    if (role === "snapshot" || role === "timestamp") return [];
    const losesKey = change.has(delegatorOf(role)) && authorityIn(next, role) !== undefined;
    if (!change.has(role) && !losesKey) return [];
    const signatures = missingOf(role, document, current, next);
    return signatures > 0 ? [{ role, signatures }] : [];
  });
}

/** As much of `change` as can be placed while the rest waits. */
export function placeable(current: Current, change: Change): Change {
  const part = new Map(change);
  for (;;) {
    const lacking = lackingFor(current, part);
    if (lacking.length === 0) return part;
    for (const { role } of lacking) part.delete(part.has(role) ? role : delegatorOf(role));
  }
}

const delegatorOf = (role: string): string => (isTopRole(role) ? "root" : "targets");

const authorityIn = ({ root, targets }: Current, role: string): Authority | undefined =>
  authorityOf((isTopRole(role) ? root : targets).signed, role);
