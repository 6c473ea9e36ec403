// A copy of an image that takes no more room than the image: shared blocks where the file system can (Btrfs, XFS, APFS), holes elsewhere.
import { constants } from "node:fs";
import { copyFile, type FileHandle, open, rm } from "node:fs/promises";
import { errnoOf } from "../system/error.ts";
import type { Progress } from "../system/progress.ts";

const pieceBytes = 1 << 20;

/** Writes `target`, which must not be there yet, readable by its owner only. */
export async function copyImage(source: string, target: string, progress: Progress): Promise<void> {
  const isCloned = await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL).then(
    () => true,
    () => false,
  );
  try {
    await using file = await open(target, isCloned ? "r+" : "wx", 0o600);
    await file.chmod(0o600);
    if (!isCloned) await copyPieces(source, file, progress);
    await file.sync();
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") await rm(target, { force: true });
    throw error;
  }
}

async function copyPieces(source: string, target: FileHandle, progress: Progress): Promise<void> {
  await using from = await open(source, "r");
  progress.stage("copying the image", (await from.stat()).size);
  const buffer = Buffer.alloc(pieceBytes);
  const zeros = Buffer.alloc(pieceBytes);
  let at = 0;
  for (;;) {
    const { bytesRead } = await from.read(buffer, 0, pieceBytes, at);
    if (bytesRead === 0) break;
    const piece = buffer.subarray(0, bytesRead);
    if (!piece.equals(zeros.subarray(0, bytesRead))) await target.write(piece, 0, bytesRead, at);
    at += bytesRead;
    progress.at(at);
  }
  // What ends in a hole is as long all the same.
  await target.truncate(at);
  progress.end();
}
