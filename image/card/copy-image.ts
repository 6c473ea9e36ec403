// A copy of an image that takes no more room than the image: shared blocks where the file system can (Btrfs, XFS, APFS), holes elsewhere.
import { constants } from "node:fs";
import { copyFile, open, rm, stat } from "node:fs/promises";
import { errnoOf } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { copyWithHoles } from "../disk/holes.ts";

/** Writes `target`, which must not be there yet, readable by its owner only. */
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
      // What ends in a hole is as long all the same.
      await file.truncate(await copyWithHoles(source, file, 0, progress.at));
      progress.end();
    }
    await file.sync();
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") await rm(target, { force: true });
    throw error;
  }
}
