// Makes a folder with its content: complete or not there, also after a power cut.
import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { makeCrew } from "./crew.ts";
import { errnoOf, type HamletError } from "./error.ts";
import { syncPath } from "./files.ts";

/** What to throw if the folder exists already. */
type Exists = (folder: string) => HamletError;

/** For work before `makeFolder` that would be in vain. */
export async function refuseExisting(folder: string, exists: Exists): Promise<void> {
  const found = await lstat(folder).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (found) throw exists(folder);
}

/** Fills a folder beside `folder` and renames it. Only its owner may open it. */
export async function makeFolder(
  folder: string,
  exists: Exists,
  fill: (partial: string) => Promise<void>,
): Promise<void> {
  const parent = dirname(resolve(folder));
  const partial = join(parent, `.${basename(resolve(folder))}.${randomBytes(4).toString("hex")}.partial`);
  await mkdir(parent, { recursive: true });
  try {
    await mkdir(partial, { mode: 0o700 });
    await fill(partial);
    await syncTree(partial);
    await rename(partial, folder);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(errnoOf(error) ?? "")) throw exists(folder);
    throw error;
  }
  await syncPath(parent);
}

/** The disk flushes several files in the time of one. */
const atOnce = 8;

async function syncTree(folder: string): Promise<void> {
  const crew = makeCrew(atOnce);
  try {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() || entry.isDirectory()) await crew.begin(() => syncPath(path));
    }
  } finally {
    // Also after an error: nothing of ours has a file open when the caller removes the folder.
    await crew.end();
  }
  await syncPath(folder);
}
