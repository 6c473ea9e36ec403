// Reads and checks the images to be published before anything is written.
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Digest, digestFile } from "../../system/digest.ts";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { imageName } from "../assemble/assemble.ts";
import { Version } from "../bundle/version.ts";
import { inspectImage } from "../inspect/inspect.ts";
import type { PublishedImage } from "./published.ts";

export type Source = {
  path: string;
  /** The published name: by board and version, whatever the file is called here. */
  name: string;
  facts: Awaited<ReturnType<typeof inspectImage>>;
  digest: Digest;
};

/** Throws `image.provisioned` and `image.wrongSize` (exit code 3), `publish.twoOfOneBoard` and the errors of reading images. */
export async function readSources(
  paths: readonly string[],
  { signal, progress }: { signal: AbortSignal; progress: Progress },
): Promise<Source[]> {
  const inspected = [];
  for (const path of paths) {
    const facts = await inspectImage(path);
    inspected.push({ path, name: publishedName(path, facts), facts });
  }
  for (const { path, facts } of inspected) {
    const other = inspected.find((one) => one.path !== path && one.facts.board === facts.board);
    if (other) {
      throw new HamletError("publish.twoOfOneBoard", `${path} and ${other.path} are both for ${facts.board}`, {
        hint: "name the one that is to be published: hamlet image publish <image> -o <folder>",
        exitCode: 2,
      });
    }
    await refuseUsed(path, facts);
  }
  const sources: Source[] = [];
  for (const one of inspected) {
    progress.stage(`reading ${basename(one.path)}`, one.facts.sizeBytes);
    sources.push({ ...one, digest: await digestFile(one.path, { signal, onBytes: (bytes) => progress.at(bytes) }) });
  }
  return sources;
}

/** An image goes to others only as it was built. Throws `image.wrongSize` and `image.provisioned` (exit code 3). */
export async function refuseUsed(
  path: string,
  facts: Pick<Source["facts"], "sizeBytes" | "isProvisioned">,
): Promise<void> {
  const { size } = await stat(path);
  if (size !== facts.sizeBytes) {
    throw new HamletError("image.wrongSize", `${path} has ${size} bytes, as an image it had ${facts.sizeBytes}`, {
      hint: "a copy of a card is a device with its secrets: publish an image as hamlet image build made it",
      exitCode: 3,
    });
  }
  if (facts.isProvisioned) {
    throw new HamletError("image.provisioned", `${path} is provisioned: it holds a live secret`, {
      hint: "publish an image as it was built: hamlet image build makes it anew",
      exitCode: 3,
    });
  }
}

/** The version comes from the untrusted image itself. Throws `image.notOurs`. */
function publishedName(path: string, { board, version }: Source["facts"]): string {
  if (Version.safeParse(version).success) return imageName(board, version);
  throw new HamletError("image.notOurs", `${path} has a version that can be no part of a file's name`, {
    hint: "build it anew: hamlet image build --version has letters, digits, and . ~ + - only",
  });
}

export const isSame = (one: PublishedImage, { digest }: Source) => one.extractSha256 === digest.sha256;

/** A map is found by its image's name, so a map of another image must not be placed there. */
export async function refuseOther({ path, name, digest }: Source, folder: string, signal: AbortSignal): Promise<void> {
  const beside = join(folder, name);
  const [own, there] = await Promise.all([stat(path), stat(beside).catch(() => undefined)]);
  if (!there || (there.ino === own.ino && there.dev === own.dev)) return;
  if (there.isFile() && (await digestFile(beside, { signal })).sha256 === digest.sha256) return;
  throw new HamletError("file.exists", `${path} would be published as ${name}, and ${folder} has another image there`, {
    hint: "publish it into a folder of its own with -o, or remove the one that is not wanted",
    exitCode: 3,
  });
}

/** A published version must not change: people who downloaded it refer to it by its name. */
export function refuseTaken(source: Source, known: readonly PublishedImage[], folder: string): void {
  const { board, version } = source.facts;
  const taken = known.find((one) => one.board === board && one.version === version && !isSame(one, source));
  if (!taken) return;
  throw new HamletError("publish.versionTaken", `${folder} has another image of ${board} ${version}`, {
    hint: "build it with a new --version, or replace what is published with --replace",
    exitCode: 3,
  });
}
