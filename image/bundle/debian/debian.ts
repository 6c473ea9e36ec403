// The Debian builder: a system bundle from the cache, where it is kept under what shapes its bytes, or made anew. Needs no root.
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Progress } from "../../../system/progress.ts";
import { type Bundle, readBundle } from "../bundle.ts";
import { removeLeftovers } from "../leftovers.ts";
import { debianBase, hasBase } from "./base.ts";
import { forgetOldDebs } from "./deb-cache.ts";
import { inputsOf } from "./inputs.ts";
import { makeBundle } from "./make.ts";
import type { BuildRequest } from "./root.ts";
import { type Settled, type SettleOptions, settleLock } from "./settle.ts";

/** `code` is the digest of ./make.ts and all it imports. `staleBecause` says why the packages are those of an earlier build. */
export async function buildDebianBundle(
  request: BuildRequest & { code: string },
  { isLockedOnly }: Pick<SettleOptions, "isLockedOnly">,
  run: Run,
  progress: Progress,
): Promise<Bundle & Pick<Settled, "staleBecause">> {
  for (const kind of ["base", "bundle", "node"]) {
    await removeLeftovers(join(cacheFolder(), kind), /\.[A-Za-z0-9]{6}$/, Date.now());
  }
  await forgetOldDebs(Date.now());
  const { projectFolder } = request;
  const settled = await settleLock(request.board, { projectFolder, isLockedOnly, hasBase }, run, progress);
  const stale = settled.staleBecause && { staleBecause: settled.staleBecause };
  const base = await debianBase(settled.lock, run, progress);
  const inputs = await inputsOf(request, settled, base);
  const folder = join(cacheFolder(), "bundle", `${request.board.name}-${request.version}-${inputs.slice(0, 16)}`);
  if ((await readdir(folder).catch((): string[] => [])).includes("bundle.json")) {
    progress.stage("checking the system bundle of the last build");
    const kept = await readBundle(folder).catch(() => undefined);
    if (kept) {
      await utimes(folder, new Date(), new Date());
      return { ...kept, ...stale };
    }
    await rm(folder, { recursive: true, force: true });
  }
  await mkdir(join(cacheFolder(), "bundle"), { recursive: true });
  const making = await mkdtemp(`${folder}.`);
  try {
    await makeBundle(request, settled, base, inputs, making, run, progress);
    await rename(making, folder).catch(async (error) => {
      if (!(await readdir(folder).catch((): string[] => [])).includes("bundle.json")) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  await forgetOldBundles();
  return { ...(await readBundle(folder)), ...stale };
}

/** Keeps the four used last: a bundle is 350 MB, and people switch between few. */
async function forgetOldBundles(): Promise<void> {
  const parent = join(cacheFolder(), "bundle");
  const names = (await readdir(parent)).filter((name) => /-[0-9a-f]{16}$/.test(name));
  const aged = await Promise.all(names.map(async (name) => ({ name, used: (await stat(join(parent, name))).mtimeMs })));
  for (const { name } of aged.sort((a, b) => b.used - a.used).slice(4)) {
    await rm(join(parent, name), { recursive: true, force: true });
  }
}
