// Copies what one release needs into a folder or one file, for a device without a network: a repository of its own, with nothing else in it.
import { randomBytes } from "node:crypto";
import { createWriteStream, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Entry, file, tar } from "../../image/bundle/archive.ts";
import { HamletError } from "../../system/error.ts";
import { syncPath } from "../../system/files.ts";
import { makeFolder, refuseExisting } from "../../system/new-folder.ts";
import { manifestName, metadataFolder, newestName, objectPath, packPath } from "../format/names.ts";
import { filesIn } from "./files.ts";
import { readPublished, repositoryFolder } from "./folder.ts";
import { encodeDocument } from "./metadata.ts";
import { needsOf } from "./needs.ts";
import { readReleases, targetPath } from "./releases.ts";

export type Exported = { version: string; files: number };

/** `version`: or `newest`. `out`: a folder, or a file if its name ends in `.tar`. Complete or not at all. Throws `ota.exists`, `ota.notFound`, `ota.longVersion` or `ota.damaged`. */
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
      hint: known ? `it has ${known}` : "publish one: hamlet ota publish <image> --folder <folder>",
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
  ].map((name) => `${metadataFolder}/${name}`);
  paths.push(timestampPath);
  paths.push(...names.map((name) => targetPath(targets[name]!)));
  // In this order a device finds an object by its name.
  paths.push(...[...objects.keys()].sort().map(objectPath));
  /** Of the state that was read: another command may have placed a newer timestamp since, which names what is not copied. */
  const contentOf = (path: string) =>
    path === timestampPath ? encodeDocument(timestamp) : readFileSync(join(repositoryFolder(folder), path));
  if (isFile(out)) {
    if (paths.some((path) => basename(path).length > maxTarNameChars)) throw longVersion(release.manifest.version);
    await writeArchive(contentOf, paths, release.manifest.builtS, out);
    return { version: release.manifest.version, files: paths.length };
  }
  paths.push(...[...packs.keys()].map(packPath));
  await makeFolder(out, exists, async (partial) => {
    for (const path of paths) {
      await mkdir(dirname(join(partial, path)), { recursive: true });
      await writeFile(join(partial, path), contentOf(path));
    }
  });
  return { version: release.manifest.version, files: paths.length };
}

/** Of ustar, for what is behind the last slash. */
const maxTarNameChars = 100;

const timestampPath = `${metadataFolder}/timestamp.json`;

const isFile = (out: string): boolean => out.endsWith(".tar");

/** Without the packs, which only save bytes of a network. */
async function writeArchive(
  contentOf: (path: string) => Buffer,
  paths: string[],
  builtS: number,
  out: string,
): Promise<void> {
  const entries = function* (): Generator<Entry> {
    for (const path of paths) yield file(path, contentOf(path));
  };
  const partial = `${out}.${randomBytes(4).toString("hex")}.partial`;
  await mkdir(dirname(out), { recursive: true });
  try {
    await pipeline(Readable.from(tar(entries(), builtS)), createWriteStream(partial, { flags: "wx", flush: true }));
    await refuseExisting(out, exists);
    await rename(partial, out);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await syncPath(dirname(out));
}

const longVersion = (version: string): HamletError =>
  new HamletError("ota.longVersion", `the version ${version} is too long for a file name in a tar archive`, {
    hint: "export into a folder: -o stick/",
  });

const exists = (folder: string): HamletError =>
  new HamletError("ota.exists", `${folder} exists already; nothing was changed`, {
    hint: "name a folder or file that does not exist yet: export creates it",
    exitCode: 3,
  });
