// Which npm packages are inside our programs: the bundler tells which files it took, the lock file tells the rest.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HamletError } from "../../../system/error.ts";
import { readJson } from "../../../system/files.ts";

export type NpmPackage = { name: string; version: string; licence?: string; sha512?: string; folder: string };

const PackageLock = z.object({
  packages: z.record(
    z.string(),
    z.object({ version: z.string().optional(), license: z.unknown().optional(), integrity: z.string().optional() }),
  ),
});

/** Folders of packages below the project, from paths of files in them: `node_modules/a/node_modules/b`. */
export const packageFolders = (files: Iterable<string>): string[] =>
  [
    ...new Set(
      [...files].flatMap(
        (file) => /(?:^|\/)(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? [],
      ),
    ),
  ].sort();

export async function npmPackages(files: Iterable<string>, projectFolder: string): Promise<NpmPackage[]> {
  const lock = await readJson(join(projectFolder, "package-lock.json"), PackageLock);
  return packageFolders(files).map((folder): NpmPackage => {
    const locked = lock?.packages[folder];
    if (locked?.version === undefined) {
      throw new HamletError("build.failed", `${folder} is in a program but not in package-lock.json`, {
        hint: "run npm ci and build again",
      });
    }
    const [, integrity] = /^sha512-(\S+)/.exec(locked.integrity ?? "") ?? [];
    return {
      name: folder.replace(/^.*node_modules\//, ""),
      version: locked.version,
      folder,
      ...(typeof locked.license === "string" && { licence: locked.license }),
      ...(integrity && { sha512: Buffer.from(integrity, "base64").toString("hex") }),
    };
  });
}

/** The licence texts of `packages`, one behind the other: a bundler leaves them out, and they must come along. */
export async function licenceTexts(packages: NpmPackage[], projectFolder: string): Promise<string> {
  const texts = packages.map(async ({ name, version, licence, folder }) => {
    const names = await readdir(join(projectFolder, folder)).catch((): string[] => []);
    const files = names.filter((file) => /^(licen[cs]e|copying|notice)(\.(md|txt))?$/i.test(file)).sort();
    const bodies = await Promise.all(files.map((file) => readFile(join(projectFolder, folder, file), "utf8")));
    return [`${name} ${version} (${licence ?? "licence not stated"})`, ...bodies].join("\n\n");
  });
  return `${(await Promise.all(texts)).join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
