// `npm run build`: builds everything that an installed package runs into dist/.
import { chmod, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundlePage } from "../../dashboard/build.ts";
import { builderCode } from "../../image/bundle/builder-code.ts";
import { describePrograms, type Programs } from "../../image/bundle/programs.ts";
import { licenceTexts, npmPackages } from "../../image/bundle/sbom/npm.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { packageFolder } from "../../system/package.ts";
import { bundlePrograms, devicePrograms, ownPrograms } from "./bundle.ts";

/** Builds the programs that go into an image, and the page, into `folder`. */
export async function buildDevicePrograms(folder: string): Promise<Programs> {
  const { page, sources } = await buildPage(folder);
  const built = await bundlePrograms(devicePrograms, packageFolder, folder, page);
  const npm = await npmPackages([...built.sources, ...sources], packageFolder);
  return { programs: built.programs, npm, code: await builderCode(packageFolder) };
}

/** Builds the page into `folder`, where a run from sources finds it. */
export async function buildPage(folder: string): Promise<{ page: string; sources: string[] }> {
  await mkdir(folder, { recursive: true });
  const built = await bundlePage();
  await writeFileAtomic(join(folder, "page.html"), built.page, { mode: 0o644 });
  return built;
}

if (import.meta.main) {
  const dist = join(packageFolder, "dist");
  const device = await buildDevicePrograms(dist);
  const own = await bundlePrograms(ownPrograms, packageFolder, dist, "");
  await describePrograms(device, dist);
  const npm = await npmPackages([...own.sources, ...device.npm.map(({ folder }) => `${folder}/`)], packageFolder);
  await writeFile(join(dist, "npm-licences.txt"), licenceTexts(npm));
  for (const [name, path] of [...device.programs, ...own.programs]) {
    await chmod(path, 0o755);
    console.log(`dist/${name}  ${((await stat(path)).size / 1e6).toFixed(2)} MB`);
  }
}
