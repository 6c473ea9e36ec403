// What of staged metadata this folder would sign without having made it. Whoever can write to the folder can stage something, so a
// person has to see what it changes first; only a new date for what is in force needs nobody.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import { shellWord } from "../../system/shell-word.ts";
import type { Current } from "./current.ts";
import { describeChanges } from "./describe.ts";
import { expiryOf } from "./expiry.ts";
import { type Repository, stagedPath } from "./folder.ts";
import { type Document, isSignedBy } from "./metadata.ts";
import { periodMs } from "./roles.ts";
import { after, keysFor } from "./signatures.ts";
import { type Change, readStaged } from "./staged.ts";

/** `digest`: of what would be signed. `changes`: in words. */
export type Unreviewed = { role: string; digest: string; changes: string[] };

/** Of what is staged now. */
export async function toReview(repository: Repository, now: number): Promise<Unreviewed[]> {
  return unreviewed(repository, await readStaged(repository.folder, repository.current), now);
}

/** One stolen key must not be enough: also what has a signature of ours counts, if it lacks another one. Pure. */
export function unreviewed(repository: Repository, change: Change, now: number): Unreviewed[] {
  const { current } = repository;
  const wanted = after(current, change);
  return [...change].flatMap(([role, document]) => {
    const own = keysFor(repository, role, wanted);
    if (own.every((key) => isSignedBy(document, key))) return [];
    const changes = changesOf(role, document, current, now);
    return changes.length > 0 ? [{ role, digest: digestOf(document), changes }] : [];
  });
}

/** Throws `ota.unreviewed` if one of `touched` waits: what the command makes would take its place. */
export function refuseUnreviewed(folder: string, waiting: readonly string[], touched: readonly string[]): void {
  const roles = waiting.filter((role) => touched.includes(role));
  if (roles.length === 0) return;
  const paths = roles.map((role) => shellWord(stagedPath(folder, role))).join(" ");
  throw new HamletError("ota.unreviewed", `what waits for a signature of ${roles.join(", ")} was not made here`, {
    hint: `see what it changes, and sign it: hamlet ota sign --folder ${shellWord(folder)}; or remove it: rm ${paths}`,
    exitCode: 3,
  });
}

/** Empty if `document` gives what is in force a new date, and nothing else. */
export function changesOf(role: string, document: Document, current: Current, now: number): string[] {
  const changes = describeChanges(inForce(current, role)?.signed, document.signed);
  const { expiresMs } = expiryOf(role, document, now);
  // The other computer's clock may be ahead by a little.
  if (expiresMs > now + periodMs(role) + clockMs) changes.push(`holds until ${new Date(expiresMs).toISOString()}`);
  return changes;
}

const clockMs = 86_400_000;

const inForce = ({ root, targets, boards }: Current, role: string) =>
  role === "root" ? root : role === "targets" ? targets : boards.get(role);

const digestOf = ({ signed }: Document): string => hash("sha256", JSON.stringify(signed.toJSON()));
