// What the lab's devices run is published before the first release that is newer: for a release that the repository does not know,
// it has no differences.
import { compareVersions } from "../../../image/boot/versions.ts";
import type { Repository } from "../../../ota/repository/folder.ts";
import { type PublishedRelease, type PublishOptions, publishImages } from "../../../ota/repository/publish.ts";
import { readImage } from "../../../ota/repository/read-image.ts";
import { HamletError } from "../../../system/error.ts";

/** `running`: images of the lab's devices; `wanted`: those that are to be published. Skips what the repository has, and foreign ones. */
export async function publishRunning(
  repository: Repository,
  running: ReadonlySet<string>,
  wanted: readonly string[],
  options: Pick<PublishOptions, "now" | "progress" | "signal">,
): Promise<PublishedRelease[]> {
  if (running.size === 0) return [];
  const next = await Promise.all(wanted.map(readImage));
  const published: PublishedRelease[] = [];
  for (const path of running) {
    const { board, version } = await readImage(path);
    const steps = next.filter((one) => one.board === board).map((one) => compareVersions(version, one.version));
    if (steps.length === 0 || steps.some((step) => step >= 0)) continue;
    try {
      published.push(...(await publishImages(repository, [path], options)).releases);
    } catch (error) {
      const isKnown =
        error instanceof HamletError && (error.code === "ota.notNewer" || error.code === "ota.foreignRoot");
      if (!isKnown) throw error;
    }
  }
  return published;
}
