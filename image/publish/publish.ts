// Publishes images into a folder that any web server can serve. What is looked at before anything is written: all that could be refused.
// What people look at first is written last: until `os_list.json` is replaced, the old list is whole and what it names is there.
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Run } from "../../system/command.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { readJson, writeFileAtomic } from "../../system/files.ts";
import type { Progress } from "../../system/progress.ts";
import { removeLeftovers } from "../bundle/leftovers.ts";
import { inspectImage } from "../inspect.ts";
import { icon } from "./icon.ts";
import { iconName, osListText } from "./os-list.ts";
import { type Digest, digestFile, mapOf, packImage, sbomOf } from "./pack.ts";
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

export type PublishOptions = {
  /** Where the folder will be found; ends with a slash. */
  url: string;
  website?: string | undefined;
  signKey?: string | undefined;
  /** Replaces the content of a version that was published before. */
  isReplacing: boolean;
};
export type Published = {
  images: PublishedImage[];
  /** Boards whose image is new; the others were there already. */
  fresh: string[];
  isSigned: boolean;
};
type Tools = { run: Run; signal: AbortSignal; progress: Progress };
type Source = { path: string; facts: Awaited<ReturnType<typeof inspectImage>>; digest: Digest };

/** Throws `image.provisioned`, `publish.versionTaken` (exit code 3), `publish.twoOfOneBoard`, `publish.signFailed` and what reading images throws. */
export async function publishImages(
  paths: readonly string[],
  folder: string,
  options: PublishOptions,
  tools: Tools,
): Promise<Published> {
  const { signal, progress } = tools;
  const known = (await readJson(join(folder, indexName), PublishedImages))?.images ?? [];
  const sources = await readSources(paths, tools);
  for (const source of sources) if (!options.isReplacing) refuseTaken(source, known, folder);
  await mkdir(folder, { recursive: true });
  await removeLeftovers(folder, /^\.hamlet-publish-[A-Za-z0-9]{6}$/, Date.now());
  const work = await mkdtemp(join(folder, ".hamlet-publish-"));
  try {
    const made: PublishedImage[] = [];
    const fresh: string[] = [];
    for (const source of sources) {
      const before = known.find((one) => isSame(one, source));
      const isThere = before && (await isWhole(join(folder, before.file), before.downloadSha256, signal));
      if (!isThere) fresh.push(source.facts.board);
      made.push(await publishOne(source, isThere ? before : undefined, folder, work, tools));
    }
    const images = withPublished(known, made);
    progress.stage("writing the lists");
    const sums = sumsText(images);
    const signature = await signatureOf(sums, folder, work, options.signKey, tools.run);
    await replace(join(folder, iconName), icon());
    await replace(join(folder, indexName), `${JSON.stringify({ format: 1, images }, null, 2)}\n`);
    // A signature of other checksums would look like an attack.
    if (!signature) await rm(join(folder, `${sumsName}.sig`), { force: true });
    await replace(join(folder, sumsName), sums);
    if (signature) await replace(join(folder, `${sumsName}.sig`), signature);
    await replace(join(folder, osListName), osListText(images, options.url, options.website));
    return { images, fresh, isSigned: signature !== undefined };
  } finally {
    progress.end();
    await rm(work, { recursive: true, force: true });
  }
}

async function readSources(paths: readonly string[], { signal, progress }: Tools): Promise<Source[]> {
  const inspected = [];
  for (const path of paths) inspected.push({ path, facts: await inspectImage(path) });
  for (const { path, facts } of inspected) {
    const other = inspected.find((one) => one.path !== path && one.facts.board === facts.board);
    if (other) {
      throw new HamletError("publish.twoOfOneBoard", `${path} and ${other.path} are both for ${facts.board}`, {
        hint: "name the one that is to be published: hamlet image publish <image> -o <folder>",
        exitCode: 2,
      });
    }
    if (facts.isProvisioned) {
      throw new HamletError("image.provisioned", `${path} is provisioned: it holds a live secret`, {
        hint: "publish an image as it was built: hamlet image build makes it anew",
        exitCode: 3,
      });
    }
  }
  const sources: Source[] = [];
  for (const one of inspected) {
    progress.stage(`reading ${basename(one.path)}`, one.facts.sizeBytes);
    sources.push({ ...one, digest: await digestFile(one.path, signal, progress) });
  }
  return sources;
}

const isSame = (one: PublishedImage, { path, digest }: Source) =>
  one.extractSha256 === digest.sha256 && one.file === `${basename(path)}.xz`;

/** Whoever has downloaded a version must be able to say it to others: what is published under a name stays. */
function refuseTaken(source: Source, known: readonly PublishedImage[], folder: string): void {
  const { board, version } = source.facts;
  const taken = known.find((one) => one.board === board && one.version === version && !isSame(one, source));
  if (!taken) return;
  throw new HamletError("publish.versionTaken", `${folder} has another image of ${board} ${version}`, {
    hint: "build it with a new --version, or replace what is published with --replace",
    exitCode: 3,
  });
}

async function publishOne(
  { path, facts, digest }: Source,
  before: PublishedImage | undefined,
  folder: string,
  work: string,
  tools: Tools,
): Promise<PublishedImage> {
  const { board, version, inputs, builtS } = facts;
  const file = `${basename(path)}.xz`;
  let download: Digest;
  if (before) download = { sizeBytes: before.downloadBytes, sha256: before.downloadSha256 };
  else {
    const packed = await packImage(path, digest, work, tools);
    download = packed;
    await rename(packed.path, join(folder, file));
  }
  const bmap = await mapOf(path, digest.sizeBytes, tools.progress);
  const sbom = await sbomOf(path);
  for (const one of [bmap, ...(sbom ? [sbom] : [])]) await replace(join(folder, one.name), one.content);
  return {
    ...{ board, version, inputs, builtS, file },
    ...{ downloadBytes: download.sizeBytes, downloadSha256: download.sha256 },
    ...{ extractBytes: digest.sizeBytes, extractSha256: digest.sha256 },
    bmap: { name: bmap.name, sha256: bmap.sha256 },
    ...(sbom && { sbom: { name: sbom.name, sha256: sbom.sha256 } }),
  };
}

/** The signature of `sums`: a new one, or without a key the old one where it still holds. */
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
    return (await digestFile(path, signal)).sha256 === sha256;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
};

/** Only if it differs: who mirrors the folder copies what changed. Readable by the web server. */
async function replace(path: string, content: string | Buffer): Promise<void> {
  const old = await readFile(path).catch(() => undefined);
  if (old?.equals(Buffer.from(content))) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, content, { mode: 0o644 });
}
