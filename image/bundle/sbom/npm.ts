// Lists the npm packages inside our programs, from the bundler's list of files and package-lock.json.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HamletError } from "../../../system/error.ts";
import { readJson } from "../../../system/files.ts";

export const NpmPackage = z.object({
  name: z.string(),
  version: z.string(),
  licence: z.string().exactOptional(),
  sha512: z.string().exactOptional(),
  folder: z.string(),
  /** The text of its licence files. */
  licenceText: z.string(),
});
export type NpmPackage = z.infer<typeof NpmPackage>;

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
  const packages = packageFolders(files).map(async (folder): Promise<NpmPackage> => {
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
      licenceText: await licenceTextIn(join(projectFolder, folder)),
    };
  });
  return Promise.all(packages);
}

async function licenceTextIn(folder: string): Promise<string> {
  const names = await readdir(folder).catch((): string[] => []);
  const files = names.filter((file) => /^(licen[cs]e|copying|notice)(\.(md|txt))?$/i.test(file)).sort();
  return (await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")))).join("\n\n");
}

/** The licence texts of `packages`, one after the other: a bundler drops them, but the image must include them. */
export function licenceTexts(packages: readonly NpmPackage[]): string {
  const texts = packages.map(({ name, version, licence, licenceText }) => {
    const title = `${name} ${version} (${licence ?? "licence not stated"})`;
    return licenceText === "" ? title : `${title}\n\n${licenceText}`;
  });
  return `${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
