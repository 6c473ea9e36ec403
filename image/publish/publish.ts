// Publishes images into a folder that any web server can serve. Checks everything first, makes all files in a work folder, and
// then renames them into place. Nothing changes before the first rename, and `os_list.json` comes last, when the files that it
// names are in place.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Run } from "../../system/command.ts";
import { type Digest, digestFile } from "../../system/digest.ts";
import { errnoOf } from "../../system/error.ts";
import { readJson, writeFileAtomic } from "../../system/files.ts";
import type { Progress } from "../../system/progress.ts";
import { removeLeftovers } from "../bundle/cache.ts";
import { icon } from "./icon.ts";
import { iconName, osListText } from "./os-list.ts";
import { mapOf, packImage, sbomOf } from "./pack.ts";
import {
  indexName,
  osListName,
  type PublishedImage,
  PublishedImages,
  sumsName,
  sumsText,
  withPublished,
} from "./published.ts";
import { signFile } from "./sign.ts";
import { isSame, readSources, refuseOther, refuseTaken, type Source } from "./sources.ts";
import { Staging } from "./staging.ts";

export type PublishOptions = {
  /** The public address of the folder; ends with a slash. */
  url: string;
  website?: string | undefined;
  signKey?: string | undefined;
  /** Replace a version that was published before. */
  isReplacing: boolean;
};
type Published = {
  images: PublishedImage[];
  /** Boards whose image is new; the others were published already. */
  fresh: string[];
  isSigned: boolean;
};
const anewHint = `remove ${indexName} and publish all images again, or publish into another folder with -o`;
type Tools = { run: Run; signal: AbortSignal; progress: Progress };

/**
 * Throws `image.provisioned`, `image.wrongSize`, `publish.versionTaken`, `file.exists` (exit code 3), `publish.twoOfOneBoard`,
 * `publish.signFailed` and the errors of reading images. Only after `publish.unfinished` have some files been replaced.
 */
export async function publishImages(
  paths: readonly string[],
  folder: string,
  options: PublishOptions,
  tools: Tools,
): Promise<Published> {
  const { signal, progress } = tools;
  const known = (await readJson(join(folder, indexName), PublishedImages, { hint: anewHint }))?.images ?? [];
  const sources = await readSources(paths, tools);
  for (const source of sources) {
    if (!options.isReplacing) refuseTaken(source, known, folder);
    await refuseOther(source, folder, signal);
  }
  await mkdir(folder, { recursive: true });
  await removeLeftovers(folder, Date.now(), /^\.hamlet-publish-[A-Za-z0-9]{6}$/);
  const work = await mkdtemp(join(folder, ".hamlet-publish-"));
  try {
    const staging = new Staging(work, folder);
    const made: PublishedImage[] = [];
    const fresh: string[] = [];
    for (const source of sources) {
      const before = known.find((one) => isSame(one, source) && one.file === `${source.name}.xz`);
      const isThere = before && (await isWhole(join(folder, before.file), before.downloadSha256, signal));
      if (!isThere) fresh.push(source.facts.board);
      made.push(await makeOne(source, isThere ? before : undefined, staging, tools));
    }
    const images = withPublished(known, made);
    progress.stage("writing the lists");
    const sums = sumsText(images);
    const signature = await signatureOf(sums, folder, work, options.signKey, tools.run);
    await staging.write(iconName, icon());
    await staging.write(indexName, `${JSON.stringify({ format: 1, images }, null, 2)}\n`);
    // A signature of old checksums would look like an attack.
    if (!signature) await staging.remove(`${sumsName}.sig`);
    await staging.write(sumsName, sums);
    if (signature) await staging.write(`${sumsName}.sig`, signature);
    await staging.write(osListName, osListText(images, options.url, options.website));
    // Do not stop from here on: it takes a moment, and half of it would be worse than all.
    signal.throwIfAborted();
    await staging.place();
    return { images, fresh, isSigned: signature !== undefined };
  } finally {
    progress.end();
    await rm(work, { recursive: true, force: true });
  }
}

/** Makes map and bill first, to fail before minutes of compressing. */
async function makeOne(
  { path, name, facts, digest }: Source,
  before: PublishedImage | undefined,
  staging: Staging,
  tools: Tools,
): Promise<PublishedImage> {
  const { board, version, inputs, builtS } = facts;
  const file = `${name}.xz`;
  const bmap = await mapOf(path, name, tools.progress);
  const sbom = await sbomOf(path, name);
  let download: Digest;
  if (before) download = { sizeBytes: before.downloadBytes, sha256: before.downloadSha256 };
  else {
    download = await packImage(path, name, digest, staging.work, tools);
    staging.add(file);
  }
  for (const one of [bmap, ...(sbom ? [sbom] : [])]) await staging.write(one.name, one.content);
  return {
    ...{ board, version, inputs, builtS, file },
    ...{ downloadBytes: download.sizeBytes, downloadSha256: download.sha256 },
    ...{ extractBytes: digest.sizeBytes, extractSha256: digest.sha256 },
    bmap: { name: bmap.name, sha256: bmap.sha256 },
    ...(sbom && { sbom: { name: sbom.name, sha256: sbom.sha256 } }),
  };
}

/** The signature of `sums`: a new one, or without a key the old one if it is still valid. */
async function signatureOf(
  sums: string,
  folder: string,
  work: string,
  signKey: string | undefined,
  run: Run,
): Promise<string | undefined> {
  if (signKey === undefined) {
    const old = await readFile(join(folder, sumsName), "utf8").catch(() => undefined);
    return old === sums ? await readFile(join(folder, `${sumsName}.sig`), "utf8").catch(() => undefined) : undefined;
  }
  await writeFileAtomic(join(work, sumsName), sums);
  await signFile(join(work, sumsName), resolve(signKey), run);
  return await readFile(join(work, `${sumsName}.sig`), "utf8");
}

const isWhole = async (path: string, sha256: string, signal: AbortSignal): Promise<boolean> => {
  try {
    return (await digestFile(path, { signal })).sha256 === sha256;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
};
