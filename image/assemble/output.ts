// The files that a build makes: the image, and beside it the map and the bill of materials of that very image.
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../system/command.ts";
import { writeFileAtomic } from "../../system/files.ts";
import type { Progress } from "../../system/progress.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { bmapText } from "../disk/bmap.ts";
import { assembleImage, sbomBeside } from "./assemble.ts";
import { mapImage } from "./map.ts";

const mapBeside = (image: string) => `${image}.bmap`;

/** Removes the files beside the old image first: after a stop at any line a map may be missing, but never belongs to another image. */
export async function replaceImage(bundle: Bundle, output: string, run: Run, progress: Progress): Promise<void> {
  for (const path of [mapBeside(output), sbomBeside(output)]) await rm(path, { force: true });
  await assembleImage(bundle, output, run, progress);
}

/** Makes the missing files beside `output`, an image that `replaceImage` made from `bundle`, now or earlier. */
export async function completeImage(
  bundle: Pick<Bundle, "files" | "folder">,
  output: string,
  progress: Progress,
): Promise<void> {
  const sbom = bundle.files["sbom.cdx.json"] && join(bundle.folder, "sbom.cdx.json");
  if (sbom) await writeFileAtomic(sbomBeside(output), await readFile(sbom), { mode: 0o644 });
  else await rm(sbomBeside(output), { force: true });
  if ((await stat(mapBeside(output)).catch(() => undefined)) !== undefined) return;
  progress.stage("mapping the image");
  await writeFileAtomic(mapBeside(output), bmapText(await mapImage(output)), { mode: 0o644 });
}
