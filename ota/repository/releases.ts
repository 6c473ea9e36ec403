// The releases that a board's metadata lists: their manifests and, by their whole recipes, their chunks.
import { hash } from "node:crypto";
import { join } from "node:path";
import type { Metadata, TargetFile, Targets } from "@tufjs/models";
import { compareVersions } from "../../image/boot/versions.ts";
import { type Manifest, parseManifest, recipeFor } from "../format/manifest.ts";
import { newestName, targetsFolder } from "../format/names.ts";
import { decodeRecipe } from "../format/recipe.ts";
import type { Files } from "./files.ts";
import type { Objects } from "./objects.ts";
import { damaged } from "./open-frame.ts";
import { type Chunk, chunksOfRecipe } from "./recipes.ts";

export type Release = { manifest: Manifest; target: TargetFile; publishedS: number };

/** The file of a target below the repository: with consistent snapshots its digest precedes its name. */
export function targetPath({ path, hashes }: TargetFile): string {
  const [board, name] = path.split("/");
  return join(targetsFolder, board!, `${hashes["sha256"]}.${name}`);
}

/** The newest first. Throws `ota.damaged`. */
export async function readReleases(files: Files, board: string, { signed }: Metadata<Targets>): Promise<Release[]> {
  const releases: Release[] = [];
  for (const target of Object.values(signed.targets)) {
    if (target.path !== newestName(board)) releases.push(await readRelease(files, target));
  }
  return releases.sort((a, b) => compareVersions(b.manifest.version, a.manifest.version));
}

export async function readRelease(files: Files, target: TargetFile): Promise<Release> {
  const path = targetPath(target);
  const bytes = await files.read(path);
  if (!bytes) throw damaged(files.nameOf(path), "is missing");
  const isWhole = bytes.length === target.length && hash("sha256", bytes) === target.hashes["sha256"];
  if (!isWhole) throw damaged(files.nameOf(path), "has other content");
  return { manifest: parseManifest(bytes), target, publishedS: Number(target.custom["publishedS"] ?? 0) };
}

export async function readChunks(objects: Objects, manifest: Manifest): Promise<Chunk[]> {
  const { sha256, sizeBytes } = recipeFor(manifest, undefined);
  return chunksOfRecipe(decodeRecipe(await objects.read(sha256, sizeBytes), manifest.parts), manifest.parts);
}
