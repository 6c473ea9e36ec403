// What of the repository a release needs: objects and packs, as its recipes name them.
import type { Manifest } from "../format/manifest.ts";
import { objectPath } from "../format/names.ts";
import { decodeRecipe } from "../format/recipe.ts";
import type { Files } from "./files.ts";
import { openFrame } from "./open-frame.ts";

/** Digests with the length of the content, of a pack that of the file. */
export type Needs = { objects: Map<string, number>; packs: Map<string, number> };

/** Throws `ota.damaged` or `update.badRecipe` if a recipe cannot be read. */
export async function needsOf(files: Files, manifest: Manifest): Promise<Needs> {
  const needs: Needs = { objects: new Map(), packs: new Map() };
  for (const { sha256, sizeBytes } of manifest.recipes) {
    needs.objects.set(sha256, sizeBytes);
    const path = objectPath(sha256);
    const content = await openFrame(await files.read(path), sha256, sizeBytes, files.nameOf(path));
    const { steps, pack } = decodeRecipe(content, manifest.parts);
    if (pack) needs.packs.set(pack.sha256, pack.sizeBytes);
    for (const step of steps) if (step.kind === "chunk") needs.objects.set(step.sha256, step.length);
  }
  return needs;
}
