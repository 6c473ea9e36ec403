// Adds this folder's signatures to what waits for them, and renews what is past half of its time.
import type { Metadata, Root, Targets } from "@tufjs/models";
import { HamletError } from "../../system/error.ts";
import { documentsOf, expiryOf } from "./expiry.ts";
import type { Repository } from "./folder.ts";
import { locked } from "./lock.ts";
import { renewed } from "./metadata.ts";
import { type Placed, place } from "./place.ts";
import { unreviewed } from "./review.ts";
import { after, canSign, isSignedElsewhere, missingSignatures } from "./signatures.ts";
import { type Change, leaveOut, readStaged } from "./staged.ts";

/** `signed`: what lacked a signature of this folder's keys, and has it now; it may lack others. */
export type Signed = Placed & { signed: string[] };

/**
 * The timestamp is renewed each time. `reviewed`: digests of what somebody has looked at; all else of `unreviewed` waits on, without a
 * signature of ours. Throws `ota.signFailed` if this folder has no key for anything that needs one.
 */
export async function signRepository(
  repository: Repository,
  now: number,
  reviewed: ReadonlySet<string> = new Set(),
): Promise<Signed> {
  return await locked(repository, now, async () => {
    const { folder, current } = repository;
    const staged = await readStaged(folder, current);
    const left = unreviewed(repository, staged, now)
      .filter(({ digest }) => !reviewed.has(digest))
      .map(({ role }) => role);
    const change: Change = leaveOut(staged, left);
    const before = new Map(missingSignatures(current, change).map(({ role, signatures }) => [role, signatures]));
    const wanted = after(current, change);
    for (const [role, document] of [...change]) {
      const { state } = expiryOf(role, document, now);
      // It may have waited for most of its time. A new date would cost it the signature of another computer, which would do the same.
      const isDue = isSignedElsewhere(role, document, repository, wanted) ? state === "expired" : state !== "fresh";
      if (!isDue || !canSign(repository, role)) continue;
      change.set(role, renewed(role, document, now, document.signed.version));
      before.delete(role);
    }
    for (const [role, document] of documentsOf(current)) {
      // `place` makes these anyway.
      if (role === "snapshot" || role === "timestamp" || staged.has(role)) continue;
      const isDue = expiryOf(role, document, now).state !== "fresh";
      if (isDue && canSign(repository, role))
        change.set(role, renewed(role, document as Metadata<Root> | Metadata<Targets>, now));
    }
    const roles = [...staged.keys(), ...change.keys(), "snapshot", "timestamp"];
    if (!roles.some((role) => canSign(repository, role))) {
      throw new HamletError("ota.signFailed", `${folder} has no key for ${roles.join(", ")}`, {
        hint: "run it on the computer that has the keys, with a copy of this folder",
      });
    }
    const waiting = missingSignatures(current, staged).filter(({ role }) => left.includes(role));
    const { placed, lacking: unplaced } = await place(repository, change, now, left);
    const lacking = [...unplaced, ...waiting];
    const lacks = (role: string) => lacking.find((one) => one.role === role)?.signatures ?? 0;
    const signed = [...change.keys()].filter((role) => lacks(role) < (before.get(role) ?? Number.POSITIVE_INFINITY));
    return { placed, signed, lacking };
  });
}
