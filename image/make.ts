// Makes an image from packages: builds the programs, makes a system bundle from them and from the packages of Debian or NixOS,
// assembles it into a disk image, and writes the map and the bill of materials beside it.
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readReleaseRoot, updateFiles } from "../provisioning/file/update-source.ts";
import type { Run } from "../system/command.ts";
import { HamletError } from "../system/error.ts";
import { writeJson } from "../system/files.ts";
import type { Progress } from "../system/progress.ts";
import { imageInputs, imageName } from "./assemble/assemble.ts";
import { completeImage, replaceImage } from "./assemble/output.ts";
import type { Board } from "./boards.ts";
import type { Bundle } from "./bundle/bundle.ts";
import { removeLeftovers } from "./bundle/cache.ts";
import { buildDebianBundle } from "./bundle/debian/debian.ts";
import { deviceFiles, type UpdateSource } from "./bundle/device-files.ts";
import { buildNixosBundle } from "./bundle/nixos/nixos.ts";
import type { Programs } from "./bundle/programs.ts";
import { inspectImage } from "./inspect/inspect.ts";

/** Folders that a build may leave in the system's temporary folder. */
const temporaryFolders = /^hamlet-(apt|copyrights|mirror|nix|programs|repository)-[A-Za-z0-9]{6}$/;

type ImageRequest = {
  board: Board;
  version: string;
  base: Board["builders"][number];
  /** The image goes there as hamlet-<board>-<version>.img. */
  folder: string;
  projectFolder: string;
  /** A built agent to take instead of this project's. */
  agent?: string | undefined;
  /** Where the device gets its updates; without it, it gets none. */
  update?: { repositories: string[]; releaseRoot: string } | undefined;
  /** Fail rather than take other packages than the locked ones. */
  isLockedOnly: boolean;
};
type Doors = {
  /** The programs that go into an image, as files; those that are built are put into `folder`. */
  programsFor(folder: string): Promise<Programs>;
  run: Run;
  progress: Progress;
  signal: AbortSignal;
};
type MadeImage = {
  path: string;
  sizeBytes: number;
  /** Bytes used on disk, without holes. */
  storedBytes: number;
  /** The image already existed, made from the same inputs. */
  isUnchanged: boolean;
  relocked: Bundle["relocked"];
  compression: Bundle["compression"];
  /** Why the packages are those of an earlier build. */
  staleBecause?: HamletError | undefined;
};

/** Throws `build.failed` with what is left behind when `signal` aborts. */
export async function makeImage(request: ImageRequest, doors: Doors): Promise<MadeImage> {
  const { run, progress, signal } = doors;
  const path = join(resolve(request.folder), imageName(request.board.name, request.version));
  await removeLeftovers(tmpdir(), Date.now(), temporaryFolders);
  const work = await mkdtemp(join(tmpdir(), "hamlet-programs-"));
  let isBuilt = false;
  try {
    const bundle = await makeBundle(request, doors, work);
    signal.throwIfAborted();
    const existing = await inspectImage(path).catch(() => undefined);
    const isUnchanged = existing?.inputs === bundle.inputs && !existing.isProvisioned;
    if (!isUnchanged) await replaceImage(bundle, path, run, progress);
    isBuilt = true;
    signal.throwIfAborted();
    await completeImage(bundle, path, progress);
    const { size, blocks } = await stat(path);
    const { relocked, compression, staleBecause } = bundle;
    return { path, sizeBytes: size, storedBytes: blocks * 512, isUnchanged, relocked, compression, staleBecause };
  } catch (error) {
    if (!signal.aborted) throw error;
    throw stoppedBuild(path, isBuilt);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The system bundle with `inputs` of the whole image: of the bundle, and of the code that assembles it. */
async function makeBundle(
  { board, version, base, projectFolder, agent, update, isLockedOnly }: ImageRequest,
  { programsFor, run, progress, signal }: Doors,
  work: string,
): Promise<Bundle & { staleBecause?: HamletError }> {
  const source = update && (await updateSource(update, work));
  progress.stage("building the programs");
  const { programs, npm, code } = await programsFor(work).catch(notBuilt);
  if (agent !== undefined) programs.set("agent.mjs", resolve(agent));
  signal.throwIfAborted();
  const extras = await deviceFiles(programs, board.name, projectFolder, source);
  const request = { board, version, extras, npm, projectFolder };
  const bundle =
    base === "nixos"
      ? await buildNixosBundle(request, run, progress)
      : await buildDebianBundle({ ...request, code: code.bundle }, { isLockedOnly }, run, progress);
  return { ...bundle, inputs: imageInputs(bundle, code.image) };
}

/** Copies of both in `work`, written the same way whoever wrote them. Throws `file.invalid` for a release root that is none. */
async function updateSource(
  { repositories, releaseRoot }: NonNullable<ImageRequest["update"]>,
  work: string,
): Promise<UpdateSource> {
  const source = {
    repositories: join(work, updateFiles.repositories),
    releaseRoot: join(work, updateFiles.releaseRoot),
  };
  await writeJson(source.repositories, { repositories }, { mode: 0o644 });
  await writeJson(source.releaseRoot, await readReleaseRoot(releaseRoot), { mode: 0o644 });
  return source;
}

/** The error of a stopped build; its message says what is left behind. */
export const stoppedBuild = (image: string, isBuilt: boolean): HamletError =>
  new HamletError(
    "build.failed",
    isBuilt
      ? `stopped: ${image} is built, but its map or bill of materials may be missing; build again to make them`
      : "stopped: the image was not built",
  );

/** Wraps an error from building the programs in `build.failed`. */
const notBuilt = (cause: unknown): never => {
  throw new HamletError("build.failed", "the programs could not be built", {
    cause,
    hint: "use the installed hamlet package, or a checkout with its npm packages installed",
  });
};
