// `npm run build`: everything that runs without this folder, into dist/: the programs and the page inside them.
import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPrograms } from "../agent/build.ts";
import { buildPage } from "../dashboard/build.ts";
import type { Extra } from "../image/bundle/root.ts";
import unitsJson from "../nix/units.json" with { type: "json" };
import { writeFileAtomic } from "../system/files.ts";

export const projectFolder = fileURLToPath(new URL("..", import.meta.url));
/** Where units and rules lie beside their programs, and where such a file goes on a device. */
const unitFolders = Object.values(unitsJson).flat();
const unitTargets = {
  service: "usr/lib/systemd/system",
  timer: "usr/lib/systemd/system",
  rules: "usr/lib/udev/rules.d",
};

/** The programs by name, written to `folder`. */
export async function buildAll(folder: string): Promise<Map<string, string>> {
  await mkdir(folder, { recursive: true });
  const page = await buildPage();
  await writeFileAtomic(join(folder, "page.html"), page, { mode: 0o644 });
  return await buildPrograms(projectFolder, folder, page);
}

/** What of this project goes into a device's root filesystem: programs, units, rules. */
export async function deviceFiles(built: Map<string, string>): Promise<Extra[]> {
  const files = [...built].map(([name, path]): Extra => ({ path, target: `usr/lib/hamlet/${name}` }));
  for (const folder of unitFolders) {
    const names = await readdir(join(projectFolder, folder)).catch((): string[] => []);
    for (const name of names) {
      const target = unitTargets[name.split(".").at(-1) as keyof typeof unitTargets];
      if (target) files.push({ path: join(projectFolder, folder, name), target: `${target}/${name}` });
    }
  }
  return files;
}

if (import.meta.main) {
  for (const [name, path] of await buildAll(join(projectFolder, "dist"))) {
    await chmod(path, 0o755);
    console.log(`dist/${name}  ${((await stat(path)).size / 1e6).toFixed(2)} MB`);
  }
}
