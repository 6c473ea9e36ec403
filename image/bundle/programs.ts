// The programs that go into an image. A checkout builds them from its sources; an installed package brings them along, with
// a description of what only the sources can tell.
import { join } from "node:path";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { readJson, writeJson } from "../../system/files.ts";
import { NpmPackage } from "./sbom/npm.ts";

/** Digests of the code that makes a bundle from Debian packages, and of the code that makes an image from a bundle. */
export const BuilderCode = z.object({ bundle: z.string(), image: z.string() });
export type BuilderCode = z.infer<typeof BuilderCode>;

/** `npm`: the packages inside the programs. */
export type Programs = { programs: Map<string, string>; npm: NpmPackage[]; code: BuilderCode };

const Description = z.object({ programs: z.array(z.string()), npm: z.array(NpmPackage), code: BuilderCode });
const descriptionName = "programs.json";

export async function describePrograms({ programs, npm, code }: Programs, folder: string): Promise<void> {
  await writeJson(join(folder, descriptionName), { programs: [...programs.keys()], npm, code }, { mode: 0o644 });
}

/** The programs that were built into `folder` before. Throws `build.failed`. */
export async function builtPrograms(folder: string): Promise<Programs> {
  const description = await readJson(join(folder, descriptionName), Description);
  if (!description) {
    throw new HamletError("build.failed", `${folder} does not hold the programs of an image`, {
      hint: "build images with the installed hamlet package or in a checkout",
    });
  }
  const { programs, ...rest } = description;
  return { ...rest, programs: new Map(programs.map((name) => [name, join(folder, name)])) };
}
