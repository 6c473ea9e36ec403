// Publishes images as releases: checks that devices would take them, adds their parts, and then the metadata that names them.
import { hash } from "node:crypto";
import { join } from "node:path";
import type { TargetFile } from "@tufjs/models";
import { compareVersions } from "../../image/boot/versions.ts";
import type { RolloutPolicy } from "../../provisioning/trust/rollout-policy.ts";
import { HamletError } from "../../system/error.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { type Progress, silentProgress } from "../../system/progress.ts";
import { shellWord } from "../../system/shell-word.ts";
import { manifestName, newestName } from "../format/names.ts";
import { addRelease, type UpdateSize } from "./add-release.ts";
import type { Current } from "./current.ts";
import { filesIn, readIfThere } from "./files.ts";
import { metadataPath, type Repository, repositoryFolder } from "./folder.ts";
import { locked } from "./lock.ts";
import { decodeDocument, encodeDocument, makeBoard, makeTarget } from "./metadata.ts";
import { objectsIn } from "./objects.ts";
import { place } from "./place.ts";
import { type ImageRelease, readImage } from "./read-image.ts";
import { type Release, readReleases, targetPath } from "./releases.ts";
import { refuseUnreviewed, unreviewed } from "./review.ts";
import type { Lacking } from "./signatures.ts";
import { type Change, leaveOut, readStaged } from "./staged.ts";

/** Releases for which a new one has a recipe of its own: whoever is further behind fetches the whole. */
const deltas = 3;
/** As long as a device may have metadata that names them. */
const keptMs = 30 * 86_400_000;

export type PublishOptions = {
  now: number;
  /** The oldest release that may install these; default: any. */
  installFrom?: string | undefined;
  /** How homes without an operator take them by themselves; default: they wait until somebody asks. */
  rollout?: RolloutPolicy | undefined;
  progress?: Progress;
  signal?: AbortSignal;
};
export type PublishedRelease = {
  board: string;
  version: string;
  rootHash: string;
  manifestSha256: string;
  /** What a device fetches, by the release that it has. */
  updates: UpdateSize[];
};
/** `lacking`: roles whose new metadata waits for signatures of keys that are elsewhere; devices see nothing of it yet. */
export type Published = { releases: PublishedRelease[]; lacking: Lacking[] };

/** Throws `ota.foreignRoot` and `ota.notNewer` (exit code 3), `ota.damaged`, and the errors of reading an image. */
export async function publishImage(repository: Repository, path: string, options: PublishOptions): Promise<Published> {
  return await publishImages(repository, [path], options);
}

/** All or none. Of several images of one board the oldest comes first. */
export async function publishImages(
  repository: Repository,
  paths: readonly string[],
  options: PublishOptions,
): Promise<Published> {
  return await locked(repository, options.now, () => publishAll(repository, paths, options));
}

async function publishAll(
  repository: Repository,
  paths: readonly string[],
  { now, installFrom, rollout, progress = silentProgress, signal }: PublishOptions,
): Promise<Published> {
  const { folder, current } = repository;
  const images: ImageRelease[] = [];
  for (const path of paths) {
    const image = await readImage(path);
    await refuseForeign(folder, image);
    images.push(image);
  }
  images.sort((a, b) => compareVersions(a.version, b.version));
  const objects = objectsIn(folder);
  const staged = await readStaged(folder, current);
  const left = unreviewed(repository, staged, now).map(({ role }) => role);
  const boards = images.map(({ board }) => board);
  refuseUnreviewed(folder, left, boards);
  const change: Change = leaveOut(staged, left);
  const releases: PublishedRelease[] = [];
  const manifestBytes = new Map<string, number>();
  const known = new Map<string, Release[]>();
  // All checks before the first byte is written.
  for (const { board } of images) known.set(board, known.get(board) ?? (await releasesOf(repository, change, board)));
  for (const [index, image] of images.entries()) refuseOlder(image, images.slice(0, index), known.get(image.board)!);
  for (const image of images) {
    const { board, version, verity } = image;
    const before = known.get(board)!;
    const { manifest, updates } = await addRelease(image, before.slice(0, deltas), {
      ...{ objects, installFrom, rollout, progress, signal },
    });
    const publishedS = Math.floor(now / 1000);
    const targets = [manifestName(board, version), newestName(board)].map((name) =>
      makeTarget({ name, content: manifest, publishedS }),
    );
    await writeManifest(folder, manifest, targets);
    const kept = before.filter((one, at) => at < deltas || one.publishedS * 1000 > now - keptMs);
    const documentVersion = current.boards.get(board)!.signed.version + 1;
    change.set(
      board,
      makeBoard(board, [...kept.map(({ target }) => target).reverse(), ...targets], documentVersion, now),
    );
    known.set(board, await releasesOf(repository, change, board));
    const manifestSha256 = hash("sha256", manifest);
    releases.push({ board, version, rootHash: verity.rootHash, manifestSha256, updates });
    manifestBytes.set(board, manifest.length);
  }
  progress.stage("signing");
  await objects.flush();
  // Do not stop from here on: it takes a moment.
  signal?.throwIfAborted();
  const { lacking } = await place(repository, change, now, left);
  progress.end();
  return { releases: releases.map((one) => withMetadata(one, current, manifestBytes.get(one.board)!)), lacking };
}

/** A check fetches these too. */
function withMetadata(release: PublishedRelease, current: Current, manifestBytes: number): PublishedRelease {
  const documents = [current.timestamp, current.snapshot, current.boards.get(release.board)!];
  const metadataBytes = documents.reduce((sum, one) => sum + encodeDocument(one).length, manifestBytes);
  const updates = release.updates.map(({ bytes, ...from }) => ({ ...from, bytes: bytes + metadataBytes }));
  return { ...release, updates };
}

async function releasesOf({ folder, current }: Repository, change: Change, board: string): Promise<Release[]> {
  const document = change.get(board) ?? current.boards.get(board);
  if (!document || !("targets" in document.signed)) {
    throw new HamletError("ota.noKey", `the repository has no key for the board ${board}`, {
      hint: `add one: hamlet ota rotate ${board} --folder ${shellWord(folder)}`,
    });
  }
  return await readReleases(filesIn(repositoryFolder(folder)), board, document as Parameters<typeof readReleases>[2]);
}

async function writeManifest(folder: string, manifest: Buffer, targets: readonly TargetFile[]): Promise<void> {
  for (const target of targets) {
    await writeFileAtomic(join(repositoryFolder(folder), targetPath(target)), manifest, { mode: 0o644 });
  }
}

/** A device follows the root of its image, so an image with another one would never take an update from here. */
async function refuseForeign(folder: string, { path, releaseRoot }: ImageRelease): Promise<void> {
  const refuse = (why: string) =>
    new HamletError("ota.foreignRoot", `${path} ${why}`, {
      hint: `build it with --release-root ${shellWord(metadataPath(folder, "1.root.json"))}`,
      exitCode: 3,
    });
  if (!releaseRoot) throw refuse("trusts no release root");
  const root = decodeDocument("root", releaseRoot, `the release root of ${path}`);
  const own = await readIfThere(metadataPath(folder, `${root.signed.version}.root.json`));
  const isOwn = own !== undefined && root.signed.equals(decodeDocument("root", own, "the root").signed);
  if (!isOwn) throw refuse("trusts another repository's root");
}

function refuseOlder(
  { path, board, version }: ImageRelease,
  others: readonly ImageRelease[],
  known: readonly Release[],
) {
  const earlier = [
    ...known.map(({ manifest }) => manifest.version),
    ...others.filter((one) => one.board === board).map((one) => one.version),
  ];
  const newest = earlier.find((one) => compareVersions(version, one) <= 0);
  if (newest === undefined) return;
  throw new HamletError("ota.notNewer", `${path} is ${board} ${version}, which does not sort after ${newest}`, {
    hint: "build it with a higher --version: 0.2.0~rc1 comes before 0.2.0, 0.2.0-rc1 after it",
    exitCode: 3,
  });
}
