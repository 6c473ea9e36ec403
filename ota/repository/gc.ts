// Removes what no device can ask for any more: what no metadata that is still valid leads to. A device may hold a snapshot until that
// expires, 30 days after it was signed.
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Metadata, Targets } from "@tufjs/models";
import { metadataFolder, objectPath, packPath, targetsFolder } from "../format/names.ts";
import { type Files, filesIn } from "./files.ts";
import { readPublished, repositoryFolder } from "./folder.ts";
import { lockedFolder } from "./lock.ts";
import { decodeDocument } from "./metadata.ts";
import { needsOf } from "./needs.ts";
import { readRelease, targetPath } from "./releases.ts";
import { isTopRole } from "./roles.ts";
import { readStaged } from "./staged.ts";

export type Removed = { files: number; bytes: number };

/** `isDry` only counts. Needs no key. Throws `ota.notFound`, `ota.damaged` or `ota.busy`. */
export async function collectGarbage(
  folder: string,
  { now, isDry = false }: { now: number; isDry?: boolean },
): Promise<Removed> {
  return await lockedFolder(folder, async () => {
    const needed = await neededFiles(folder, now);
    const removed: Removed = { files: 0, bytes: 0 };
    const root = repositoryFolder(folder);
    for (const top of [metadataFolder, targetsFolder, "objects", "packs"]) {
      const found = await readdir(join(root, top), { recursive: true, withFileTypes: true }).catch(() => []);
      for (const entry of found) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || needed.has(path.slice(root.length + 1))) continue;
        removed.bytes += (await stat(path)).size;
        removed.files += 1;
        if (!isDry) await rm(path);
      }
    }
    return removed;
  });
}

/** Paths below the repository. */
async function neededFiles(folder: string, now: number): Promise<Set<string>> {
  const files = filesIn(repositoryFolder(folder));
  const current = await readPublished(folder);
  const needed = new Set([`${metadataFolder}/timestamp.json`]);
  const inMetadata = await readdir(join(repositoryFolder(folder), metadataFolder));
  const seen = new Set<string>();
  for (const name of inMetadata) {
    if (/^\d+\.root\.json$/.test(name)) needed.add(`${metadataFolder}/${name}`);
    if (!/^\d+\.snapshot\.json$/.test(name)) continue;
    const path = `${metadataFolder}/${name}`;
    const { signed } = decodeDocument("snapshot", (await files.read(path))!, files.nameOf(path));
    // One that a publisher did not finish is of the next version; it will be written anew.
    const isOfUse = signed.version <= current.snapshot.signed.version && Date.parse(signed.expires) > now;
    if (!isOfUse && signed.version !== current.snapshot.signed.version) continue;
    needed.add(path);
    for (const [file, { version }] of Object.entries(signed.meta)) {
      const below = `${metadataFolder}/${version}.${file}`;
      if (needed.has(below)) continue;
      needed.add(below);
      const bytes = await files.read(below);
      const role = file.replace(/\.json$/, "");
      if (bytes && !isTopRole(role))
        await addTargets(files, decodeDocument(role, bytes, files.nameOf(below)), needed, seen);
    }
  }
  for (const [role, document] of await readStaged(folder, current)) {
    if (!isTopRole(role)) await addTargets(files, document as Metadata<Targets>, needed, seen);
  }
  return needed;
}

async function addTargets(
  files: Files,
  { signed }: Metadata<Targets>,
  needed: Set<string>,
  seen: Set<string>,
): Promise<void> {
  for (const target of Object.values(signed.targets)) {
    needed.add(targetPath(target));
    const sha256 = target.hashes["sha256"] ?? "";
    if (seen.has(sha256)) continue;
    seen.add(sha256);
    const { objects, packs } = await needsOf(files, (await readRelease(files, target)).manifest);
    for (const one of objects.keys()) needed.add(objectPath(one));
    for (const one of packs.keys()) needed.add(packPath(one));
  }
}
