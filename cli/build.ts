// `npm run build`: everything that runs without this folder, into dist/: the programs and the page inside them.
import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Built, buildPrograms } from "../agent/build.ts";
import { bundlePage } from "../dashboard/build.ts";
import { writeFileAtomic } from "../system/files.ts";

export const projectFolder = fileURLToPath(new URL("..", import.meta.url));

/** The programs, written to `folder`, and what is inside them. */
export async function buildAll(folder: string): Promise<Built> {
  await mkdir(folder, { recursive: true });
  const { page, sources } = await bundlePage();
  await writeFileAtomic(join(folder, "page.html"), page, { mode: 0o644 });
  const built = await buildPrograms(projectFolder, folder, page);
  return { ...built, sources: new Set([...built.sources, ...sources]) };
}

if (import.meta.main) {
  for (const [name, path] of (await buildAll(join(projectFolder, "dist"))).programs) {
    await chmod(path, 0o755);
    console.log(`dist/${name}  ${((await stat(path)).size / 1e6).toFixed(2)} MB`);
  }
}
