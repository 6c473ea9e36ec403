// The Debian builder: takes a system bundle from the cache, where its name is the digest of its inputs, or makes it. Needs no root.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Progress } from "../../../system/progress.ts";
import { type Bundle, readBundle } from "../bundle.ts";
import { cachedFolder } from "../cache.ts";
import { debianBase, hasBase } from "./base.ts";
import { forgetOldDebs } from "./deb-cache.ts";
import { inputsOf } from "./inputs.ts";
import { makeBundle } from "./make.ts";
import { type Pinned, type PinOptions, pinPackages } from "./pin.ts";
import type { BuildRequest } from "./root.ts";

/** `code` is the digest of ./make.ts and all it imports. `staleBecause` says why the packages are those of an earlier build. */
export async function buildDebianBundle(
  request: BuildRequest & { code: string },
  { isLockedOnly }: Pick<PinOptions, "isLockedOnly">,
  run: Run,
  progress: Progress,
): Promise<Bundle & Pick<Pinned, "staleBecause">> {
  await forgetOldDebs(Date.now());
  const { projectFolder } = request;
  const pinned = await pinPackages(request.board, { projectFolder, isLockedOnly, hasBase }, run, progress);
  const base = await debianBase(pinned.lock, run, progress);
  const inputs = await inputsOf(request, pinned, base);
  const place = {
    parent: join(cacheFolder(), "bundle"),
    name: `${request.board.name}-${request.version}-${inputs.slice(0, 16)}`,
    // A bundle is 350 MB. People switch between a few boards, and an update needs the releases on both of its sides.
    keep: 8,
  };
  const read = async (folder: string) => {
    if (!(await readdir(folder).catch((): string[] => [])).includes("bundle.json")) return undefined;
    progress.stage("checking the system bundle");
    return readBundle(folder);
  };
  const bundle = await cachedFolder(place, read, (folder) =>
    makeBundle(request, pinned, base, inputs, folder, run, progress),
  );
  return { ...bundle, ...(pinned.staleBecause && { staleBecause: pinned.staleBecause }) };
}
