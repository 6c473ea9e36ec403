// Finds or builds the programs for an image.
import { join } from "node:path";
import { builtPrograms, type Programs } from "../../image/bundle/programs.ts";
import { isBuilt, packageFolder } from "../../system/package.ts";

/** Builds them into `folder` in a checkout; an installed package has them already. */
export async function programsFor(folder: string): Promise<Programs> {
  if (isBuilt) return builtPrograms(join(packageFolder, "dist"));
  const { buildDevicePrograms } = await import("./build.ts");
  return buildDevicePrograms(folder);
}
