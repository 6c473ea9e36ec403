// The cache of Debian packages, named by sha256: a lock can be built long after the mirror has dropped its packages.
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { digestFile } from "../../../system/digest.ts";
import { cacheFolder } from "../../../system/paths.ts";
import { removeLeftovers } from "../cache.ts";
import type { LockedPackage } from "../lock/lock.ts";
import { authConf, type Source } from "./sources.ts";

type Named = Pick<LockedPackage, "sha256" | "path" | "sizeBytes">;

const debFolder = () => join(cacheFolder(), "deb");
export const debPath = (sha256: string): string => join(debFolder(), sha256);
/** Debian's InRelease has 150 kB. */
export const maxIndexBytes = 16 << 20;
const answerDeadlineMs = 30_000;
const downloadDeadlineMs = 20 * 60_000;

/** Fetches missing packages from the first source that has them. `missing`: those that no source has; `cause`: the last error. */
export async function fetchDebs<T extends Named>(
  packages: T[],
  sources: Source[],
  run: Run,
): Promise<{ missing: T[]; cause?: unknown }> {
  let missing = await lacking(packages);
  let cause: unknown;
  if (missing.length === 0 || sources.length === 0) return { missing };
  await mkdir(debFolder(), { recursive: true });
  await removeLeftovers(debFolder(), Date.now());
  const work = await mkdtemp(join(debFolder(), "fetch."));
  try {
    await writeFile(join(work, "auth.conf"), authConf(sources), { mode: 0o600 });
    // apt's own fetcher knows this computer's proxies and every kind of source. It fails if one of many files fails.
    const settings = ["-q", "-o", `Dir::Etc::netrc=${join(work, "auth.conf")}`, "-o", "Acquire::Retries=3"];
    const fetch = (wanted: string[], timeoutMs: number, maxFileBytes: number) =>
      run(["/usr/lib/apt/apt-helper", ...settings, "download-file", ...wanted], { timeoutMs, maxFileBytes }).then(
        () => true,
        (error) => {
          cause = error;
          return false;
        },
      );
    for (const { url, suite } of new Map(sources.map((source) => [source.url, source])).values()) {
      // Ask a mirror once whether it answers, not once for each package.
      const index = [`${url}dists/${suite}/InRelease`, join(work, "InRelease")];
      if (!(await fetch(index, answerDeadlineMs, maxIndexBytes))) continue;
      const wanted = missing.flatMap(({ sha256, path }) => [`${url}${path}`, join(work, sha256), `SHA256:${sha256}`]);
      await fetch(wanted, downloadDeadlineMs, Math.max(...missing.map(({ sizeBytes }) => sizeBytes)));
      for (const { sha256 } of missing) await keep(join(work, sha256), sha256);
      missing = await lacking(missing);
      if (missing.length === 0) break;
    }
    return { missing, cause };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Moves a file into the cache if its digest is right. */
async function keep(path: string, sha256: string): Promise<void> {
  if ((await digestOf(path)) !== sha256) return;
  await chmod(path, 0o644);
  // apt sets the mirror's date; the cache needs the date of the last use.
  await utimes(path, new Date(), new Date());
  await rename(path, debPath(sha256));
}

/** The packages that are missing or damaged. Removes damaged files, and marks the others as used now. */
async function lacking<T extends Named>(packages: T[]): Promise<T[]> {
  const found: T[] = [];
  const now = new Date();
  for (const one of packages) {
    const path = debPath(one.sha256);
    if ((await digestOf(path)) === one.sha256) await utimes(path, now, now);
    else {
      await rm(path, { force: true });
      found.push(one);
    }
  }
  return found;
}

const keptForMs = 365 * 24 * 3_600_000;

/** Removes packages that no build has used for a year. */
export async function forgetOldDebs(nowMs: number): Promise<void> {
  for (const name of await readdir(debFolder()).catch((): string[] => [])) {
    const facts = await stat(join(debFolder(), name)).catch(() => undefined);
    if (facts?.isFile() && nowMs - facts.mtimeMs > keptForMs) await rm(join(debFolder(), name), { force: true });
  }
}

const digestOf = (path: string): Promise<string | undefined> =>
  digestFile(path).then(
    ({ sha256 }) => sha256,
    () => undefined,
  );
