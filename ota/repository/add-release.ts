// Puts an image's parts into the repository as chunks, with recipes for devices with an older release and for all others, and makes
// the manifest that names them. Nothing refers to any of it before the metadata does.
import { hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { RolloutPolicy } from "../../provisioning/trust/rollout-policy.ts";
import { makeCrew } from "../../system/crew.ts";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { type Manifest, type Part, parseManifest } from "../format/manifest.ts";
import { decodeRecipe, encodeRecipe, type Recipe } from "../format/recipe.ts";
import { makeTree, type Tree } from "../format/verity.ts";
import { cutPart } from "./cut.ts";
import { makeDelta, type Range } from "./delta.ts";
import { sliceExtents } from "./image-parts.ts";
import type { Objects } from "./objects.ts";
import { type OlderRelease, openOlder } from "./older-release.ts";
import type { ImageRelease } from "./read-image.ts";
import { type Chunk, foreseeFrom, wholeRecipe } from "./recipes.ts";
import type { Release } from "./releases.ts";
import type { Source } from "./source.ts";
import { startThreads, type Threads } from "./threads/threads.ts";

/** `from`: version of the older release; without it, the update is for devices with any other. */
export type UpdateSize = { from?: string; bytes: number };
export type Added = { manifest: Buffer; updates: UpdateSize[] };
type Tools = {
  objects: Objects;
  /** The oldest release that may install this one. */
  installFrom: string | undefined;
  /** How homes without an operator take it by themselves. */
  rollout: RolloutPolicy | undefined;
  progress: Progress;
  signal: AbortSignal | undefined;
};

/** So many chunks are compressed and written at once: two cores, and the disk flushes several files in the time of one. */
const atOnce = 8;

/** `older`: the releases that get a recipe of their own. */
export async function addRelease(image: ImageRelease, older: readonly Release[], tools: Tools): Promise<Added> {
  const { objects } = tools;
  await using file = await open(image.path, "r");
  await using threads = startThreads();
  const olders: OlderRelease[] = [];
  for (const { manifest } of older) {
    if (!olders.some(({ rootHash }) => rootHash === manifest.verity.rootHash))
      olders.push(await openOlder(objects, manifest));
  }
  const { parts, chunks } = await addChunks(file, image, { ...tools, threads, newest: olders[0] });
  const sourceOf = ({ part: name, offset, length }: Range): Source => {
    const { places, extents } = image.parts.find((one) => one.name === name)!;
    const slice = sliceExtents(extents, offset, length);
    return {
      ...{ kind: "image", path: image.path, descriptor: file.fd },
      ...{ part: name, places, extents: slice, offset, length },
    };
  };
  const recipes: Manifest["recipes"] = [];
  const updates: UpdateSize[] = [];
  const add = async (recipe: Recipe, from?: { rootHash: string; version: string }) => {
    const content = encodeRecipe(recipe);
    // What a device would refuse must not be published.
    decodeRecipe(content, parts);
    const sha256 = hash("sha256", content);
    if (objects.frameBytes(sha256) === undefined) await objects.put(sha256, content);
    const bytes = bytesToFetch(recipe, sha256, objects);
    recipes.push({ ...(from && { from: from.rootHash }), sha256, sizeBytes: content.length, fetchBytes: bytes });
    updates.push({ ...(from && { from: from.version }), bytes });
  };
  for (const one of olders) {
    const { recipe, pack } = await makeDelta(one, chunks, { ...tools, threads, sourceOf });
    if (recipe.pack) await objects.putPack(recipe.pack.sha256, pack);
    await add(recipe, one);
  }
  await add(wholeRecipe(chunks));
  const { board, version, builtS, verity } = image;
  const { installFrom, rollout } = tools;
  const made: Manifest = {
    format: 1,
    board,
    version,
    ...(installFrom && { installFrom }),
    builtS,
    ...(rollout && { rollout }),
    verity,
    parts,
    recipes,
  };
  const manifest = Buffer.from(`${JSON.stringify(made)}\n`);
  parseManifest(manifest);
  return { manifest, updates };
}

async function addChunks(
  file: FileHandle,
  image: ImageRelease,
  { objects, progress, signal, threads, newest }: Tools & { threads: Threads; newest: OlderRelease | undefined },
): Promise<{ parts: Part[]; chunks: Chunk[] }> {
  const totalBytes = image.parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  progress.stage(`cutting ${image.board} ${image.version} into chunks`, totalBytes);
  const parts: Part[] = [];
  const chunks: Chunk[] = [];
  const seen = new Set<string>();
  const writers = makeCrew(atOnce);
  let doneBytes = 0;
  try {
    for (const part of image.parts) {
      const tree = part.name === "root" ? makeTree(image.verity.dataBlocks) : undefined;
      const cuts = cutPart(file, part, image.path, {
        threads,
        tree,
        foresee: foreseeFrom(newest?.chunks ?? [], part.name),
      });
      let cut = await cuts.next();
      for (; !cut.done; cut = await cuts.next()) {
        signal?.throwIfAborted();
        const { chunk, content } = cut.value;
        const { sha256 } = chunk;
        chunks.push(chunk);
        doneBytes += chunk.length;
        progress.at(doneBytes);
        if (seen.has(sha256) || objects.frameBytes(sha256) !== undefined) continue;
        seen.add(sha256);
        const kept = Buffer.from(content);
        await writers.begin(() => objects.put(sha256, kept));
      }
      if (tree) refuseDamaged(tree, image);
      const { name, sizeBytes, places } = part;
      parts.push({ name, sizeBytes, sha256: cut.value, places });
    }
  } finally {
    // Also after an error: nothing of ours still writes when the caller goes on.
    await writers.end();
  }
  return { parts, chunks };
}

/** Throws `image.damaged` if the bytes of `root` are not what the kernel's hash tree was made from. */
function refuseDamaged(tree: Tree, { path, verity }: ImageRelease): void {
  if (tree.finish().rootHash === verity.rootHash) return;
  throw new HamletError("image.damaged", `the root filesystem of ${path} has another root hash than its kernel names`, {
    hint: "no device would start it: build the image again",
  });
}

/** The recipe, and each chunk once. */
function bytesToFetch({ steps, pack }: Recipe, recipe: string, objects: Objects): number {
  const names = new Set([recipe, ...steps.flatMap(({ kind, sha256 }) => (kind === "chunk" ? [sha256] : []))]);
  let bytes = pack?.sizeBytes ?? 0;
  for (const sha256 of names) bytes += objects.frameBytes(sha256) ?? 0;
  return bytes;
}
