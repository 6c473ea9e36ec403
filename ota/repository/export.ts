// Copies what one release needs into a folder, for a device without a network: a repository of its own, with nothing else in it.
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HamletError } from "../../system/error.ts";
import { makeFolder, refuseExisting } from "../../system/new-folder.ts";
import { manifestName, metadataFolder, newestName, objectPath, packPath } from "../format/names.ts";
import { filesIn } from "./files.ts";
import { readPublished, repositoryFolder } from "./folder.ts";
import { needsOf } from "./needs.ts";
import { readReleases, targetPath } from "./releases.ts";

export type Exported = { version: string; files: number };

/** `version`: or `newest`. Complete or not at all. Throws `ota.exists`, `ota.notFound` or `ota.damaged`. */
export async function exportRelease(
  folder: string,
  { board, version, out }: { board: string; version: string; out: string },
): Promise<Exported> {
  await refuseExisting(out, exists);
  const current = await readPublished(folder);
  const files = filesIn(repositoryFolder(folder));
  const document = current.boards.get(board);
  const releases = document ? await readReleases(files, board, document) : [];
  const release = version === "newest" ? releases[0] : releases.find((one) => one.manifest.version === version);
  if (!document || !release) {
    const known = releases.map((one) => one.manifest.version).join(", ");
    throw new HamletError("ota.notFound", `${folder} has no release ${version} of ${board}`, {
      hint: known ? `it has ${known}` : "publish one: hamlet ota publish <image> --repository <folder>",
    });
  }
  const { targets } = document.signed;
  const names = [
    manifestName(board, release.manifest.version),
    ...(release === releases[0] ? [newestName(board)] : []),
  ];
  const { objects, packs } = await needsOf(files, release.manifest);
  const { root, snapshot, timestamp } = current;
  const paths = [
    ...Array.from({ length: root.signed.version }, (_, index) => `${index + 1}.root.json`),
    `${timestamp.signed.snapshotMeta.version}.snapshot.json`,
    // Only the board's role: a device asks for no other.
    ...["targets", board].map((role) => `${snapshot.signed.meta[`${role}.json`]!.version}.${role}.json`),
    "timestamp.json",
  ].map((name) => `${metadataFolder}/${name}`);
  paths.push(...names.map((name) => targetPath(targets[name]!)));
  paths.push(...[...objects.keys()].map(objectPath), ...[...packs.keys()].map(packPath));
  await makeFolder(out, exists, async (partial) => {
    for (const path of paths) {
      await mkdir(dirname(join(partial, path)), { recursive: true });
      await copyFile(join(repositoryFolder(folder), path), join(partial, path));
    }
  });
  return { version: release.manifest.version, files: paths.length };
}

const exists = (folder: string): HamletError =>
  new HamletError("ota.exists", `${folder} exists already; nothing was changed`, {
    hint: "name a folder that does not exist yet: export creates it",
    exitCode: 3,
  });
