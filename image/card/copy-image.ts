// Copies an image without taking more space than it does: by shared blocks where the file system has them (Btrfs, XFS, APFS), else
// by holes.
import { constants } from "node:fs";
import { copyFile, open, rm, stat } from "node:fs/promises";
import { errnoOf } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { copyWithHoles } from "../disk/holes.ts";

/** Writes the new file `target`, readable by its owner only. */
export async function copyImage(source: string, target: string, progress: Progress): Promise<void> {
  const isCloned = await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL).then(
    () => true,
    () => false,
  );
  try {
    await using file = await open(target, isCloned ? "r+" : "wx", 0o600);
    await file.chmod(0o600);
    if (!isCloned) {
      progress.stage("copying the image", (await stat(source)).size);
      // Set the length: the source may end in a hole.
      await file.truncate(await copyWithHoles(source, file, 0, progress.at));
      progress.end();
    }
    await file.sync();
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") await rm(target, { force: true });
    throw error;
  }
}
