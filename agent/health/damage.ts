// Warns of a damaged state file: which one, what was lost, and what to do.
import { basename, dirname } from "node:path";
import type { Damage } from "../../system/kept.ts";
import type { Warnings } from "./warnings.ts";

/** What is lost when neither a file nor its copy can be read. */
const losses: Record<string, string> = {
  "standing.json": "its last name and the proof that members admitted it",
  "roster.json": "the members that it knew; it learns them again from its neighbors",
  "orders.json": "rollouts, holds and operators; its neighbors send them again",
  "rollouts.json": "how rollouts went so far; its neighbors send their own words again",
  "leases.json": "who decides about restarts, and its own word in that; it asks its neighbors before it decides again",
  "rejections.json": "whom the owner turned away today; its neighbors send that again",
  "revocations.json": "revocations that no other file records; its neighbors send them again",
};

export function warnOfDamage(warnings: Warnings, { path, aside, isLost }: Damage): void {
  const name = basename(path);
  const what = isLost ? `lost: ${losses[name] ?? "its content"}` : "its copy was complete, so nothing is lost";
  warnings.raise(
    "state.damaged",
    `${name} in ${dirname(path)} was damaged; ${what}`,
    `if it happens again, replace the card or disk; to end this warning, type on the device: rm -r ${aside}* && systemctl restart hamlet-agent`,
    { subject: name },
  );
}
