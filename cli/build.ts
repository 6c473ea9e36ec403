// `npm run build`: everything that runs without this folder, into dist/: the programs and the page inside them.
import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Built, buildPrograms } from "../agent/build.ts";
import { bundlePage } from "../dashboard/build.ts";
import type { Extra } from "../image/bundle/debian/root.ts";
import unitsJson from "../nix/units.json" with { type: "json" };
import { writeFileAtomic } from "../system/files.ts";

export const projectFolder = fileURLToPath(new URL("..", import.meta.url));
/** Where units and rules lie beside their programs, and where such a file goes on a device. */
const unitFolders = Object.values(unitsJson).flat();
const unitTargets = {
  service: "usr/lib/systemd/system",
  timer: "usr/lib/systemd/system",
  path: "usr/lib/systemd/system",
  rules: "usr/lib/udev/rules.d",
};

/** The programs, written to `folder`, and what is inside them. */
export async function buildAll(folder: string): Promise<Built> {
  await mkdir(folder, { recursive: true });
  const { page, sources } = await bundlePage();
  await writeFileAtomic(join(folder, "page.html"), page, { mode: 0o644 });
  const built = await buildPrograms(projectFolder, folder, page);
  return { ...built, sources: new Set([...built.sources, ...sources]) };
}

/** What of this project goes into the root filesystem of a board's devices: programs, units, rules, scripts. */
export async function deviceFiles(built: Map<string, string>, board: string): Promise<Extra[]> {
  const files = [...built].map(([name, path]): Extra => ({ path, target: `usr/lib/hamlet/${name}` }));
  // The lab's hand inside a board that it reaches in a way of its own is in no other board's image.
  for (const folder of [...unitFolders, `image/lab/guest-${board}`]) {
    const names = await readdir(join(projectFolder, folder)).catch((): string[] => []);
    for (const name of names) {
      // A name without a dot is a shell script that a unit starts.
      const isScript = !name.includes(".");
      const target = isScript ? "usr/lib/hamlet" : unitTargets[name.split(".").at(-1) as keyof typeof unitTargets];
      if (target) files.push({ path: join(projectFolder, folder, name), target: `${target}/${name}` });
    }
  }
  return files;
}

if (import.meta.main) {
  for (const [name, path] of (await buildAll(join(projectFolder, "dist"))).programs) {
    await chmod(path, 0o755);
    console.log(`dist/${name}  ${((await stat(path)).size / 1e6).toFixed(2)} MB`);
  }
}
