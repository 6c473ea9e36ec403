// The releases that a board's metadata lists: their manifests and, by their whole recipes, their chunks.
import { hash } from "node:crypto";
import { join } from "node:path";
import type { Metadata, TargetFile, Targets } from "@tufjs/models";
import { compareVersions } from "../../image/boot/versions.ts";
import { HamletError } from "../../system/error.ts";
import { type Manifest, parseManifest, recipeFor } from "../format/manifest.ts";
import { newestName, targetsFolder } from "../format/names.ts";
import { decodeRecipe } from "../format/recipe.ts";
import { readIfThere, repositoryFolder } from "./folder.ts";
import type { Objects } from "./objects.ts";
import { type Chunk, chunksOfRecipe } from "./recipes.ts";

export type Release = { manifest: Manifest; target: TargetFile; publishedS: number };

/** The file of a target below the repository: with consistent snapshots its digest precedes its name. */
export function targetPath({ path, hashes }: TargetFile): string {
  const [board, name] = path.split("/");
  return join(targetsFolder, board!, `${hashes["sha256"]}.${name}`);
}

/** The newest first. Throws `ota.damaged`. */
export async function readReleases(folder: string, board: string, { signed }: Metadata<Targets>): Promise<Release[]> {
  const releases: Release[] = [];
  for (const target of Object.values(signed.targets)) {
    if (target.path !== newestName(board)) releases.push(await readRelease(folder, target));
  }
  return releases.sort((a, b) => compareVersions(b.manifest.version, a.manifest.version));
}

async function readRelease(folder: string, target: TargetFile): Promise<Release> {
  const path = join(repositoryFolder(folder), targetPath(target));
  const bytes = await readIfThere(path);
  const isWhole = bytes?.length === target.length && hash("sha256", bytes) === target.hashes["sha256"];
  if (!bytes || !isWhole) {
    throw new HamletError("ota.damaged", `${path} ${bytes ? "has other content" : "is missing"}`, {
      hint: "restore it from a copy of the repository",
    });
  }
  return { manifest: parseManifest(bytes), target, publishedS: Number(target.custom["publishedS"] ?? 0) };
}

export async function readChunks(objects: Objects, manifest: Manifest): Promise<Chunk[]> {
  const { sha256, sizeBytes } = recipeFor(manifest, undefined);
  return chunksOfRecipe(decodeRecipe(await objects.read(sha256, sizeBytes), manifest.parts), manifest.parts);
}
