// A state file that was damaged, as a warning: which it was, what went with it, and what to do.
import { basename, dirname } from "node:path";
import type { Damage } from "../../system/kept.ts";
import type { Warnings } from "./warnings.ts";

/** What is lost when neither a file nor its copy can be read. */
const losses: Record<string, string> = {
  "standing.json": "the name it was given last and the members' word that it is one of them",
  "roster.json": "whom it knew; it learns them again from its neighbors",
  "revocations.json": "which devices are revoked, as far as no other file tells; its neighbors tell it again",
};

export function warnOfDamage(warnings: Warnings, { path, aside, isLost }: Damage): void {
  const name = basename(path);
  const what = isLost ? `lost: ${losses[name] ?? "what it said"}` : "its copy had it all, and nothing is lost";
  warnings.raise(
    "state.damaged",
    `${name} in ${dirname(path)} was damaged; ${what}`,
    `if it happens again, replace the card or disk; to end this warning, type on the device: rm -r ${aside}* && systemctl restart hamlet-agent`,
    { subject: name },
  );
}
