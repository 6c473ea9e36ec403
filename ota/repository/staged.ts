// New metadata that waits for signatures of keys that are elsewhere: `staged/<role>.json` in the publisher's folder.
import { readdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Metadata, Root, Targets } from "@tufjs/models";
import { writeFileAtomic } from "../../system/files.ts";
import type { Current } from "./current.ts";
import { readIfThere } from "./files.ts";
import { stagedPath } from "./folder.ts";
import { decodeDocument, encodeDocument } from "./metadata.ts";

/** New versions by role: `root`, `targets`, boards'. */
export type Change = Map<string, Metadata<Root> | Metadata<Targets>>;

/** What waits for signatures. Ignores what has been overtaken: another computer has placed a newer version meanwhile. */
export async function readStaged(folder: string, current: Current): Promise<Change> {
  const change: Change = new Map();
  for (const role of await stagedRoles(folder)) {
    const bytes = await readIfThere(stagedPath(folder, role));
    if (!bytes) continue;
    const document = decodeDocument(role, bytes, stagedPath(folder, role)) as Metadata<Root> | Metadata<Targets>;
    const before = role === "root" ? current.root : role === "targets" ? current.targets : current.boards.get(role);
    if (document.signed.version === (before?.signed.version ?? 0) + 1) change.set(role, document);
  }
  return change;
}

export async function writeStaged(folder: string, change: Change): Promise<void> {
  for (const [role, document] of change) await writeFileAtomic(stagedPath(folder, role), encodeDocument(document));
}

/** Without those roles. */
export const leaveOut = (change: Change, roles: readonly string[]): Change =>
  new Map([...change].filter(([role]) => !roles.includes(role)));

/** Removes all but `waiting`. */
export async function keepStaged(folder: string, waiting: readonly string[]): Promise<void> {
  if (waiting.length === 0) return await rm(dirname(stagedPath(folder, "root")), { recursive: true, force: true });
  for (const role of await stagedRoles(folder)) {
    if (!waiting.includes(role)) await rm(stagedPath(folder, role), { force: true });
  }
}

async function stagedRoles(folder: string): Promise<string[]> {
  const names = await readdir(dirname(stagedPath(folder, "root"))).catch(() => []);
  return names.sort().flatMap((name) => /^([a-z0-9-]+)\.json$/.exec(name)?.[1] ?? []);
}
