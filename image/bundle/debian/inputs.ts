// The digest of all inputs of a bundle: builds with the same digest give the same bundle.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Base } from "./base.ts";
import type { Pinned } from "./pin.ts";
import type { BuildRequest } from "./root.ts";

/** Covers the lock's packages and tools, the code without its comments, and every file that is copied into the bundle. */
export async function inputsOf(
  { board, version, extras, npm, projectFolder, code }: BuildRequest & { code: string },
  pinned: Pick<Pinned, "lock" | "relocked">,
  base: Pick<Base, "key">,
): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([board, version, npm, pinned.lock, pinned.relocked, base.key, code]));
  const files = [
    ...(await copiedFiles(projectFolder)),
    ...extras.toSorted((a, b) => (a.target < b.target ? -1 : 1)).map(({ path, target }) => ({ path, name: target })),
  ];
  for (const { path, name } of files) {
    const content = await readFile(path);
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/** The project's files that the builder copies, besides programs and units. */
async function copiedFiles(projectFolder: string): Promise<{ path: string; name: string }[]> {
  const folder = join(projectFolder, "image/bundle");
  const found = await Promise.all(
    ["root", "initrd"].map((name) => readdir(join(folder, name), { recursive: true, withFileTypes: true })),
  );
  const paths = found.flat().flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
  return [join(projectFolder, "LICENSE"), ...paths.sort()].map((path) => ({
    path,
    name: path.slice(projectFolder.length),
  }));
}
