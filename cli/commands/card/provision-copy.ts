// `provision <image> -o <copy>`: provisions a copy, so that one image as built serves any number of devices.
import { randomBytes } from "node:crypto";
import { rename, rm, stat } from "node:fs/promises";
import { copyImage } from "../../../image/card/copy-image.ts";
import { findProvisionBlock, provisionImage } from "../../../image/card/provision.ts";
import { HamletError } from "../../../system/error.ts";
import type { Progress } from "../../../system/progress.ts";

/** Throws `file.exists` if `copy` exists and is not a copy of `image`. */
export async function refuseOther(image: string, copy: string): Promise<{ isThere: boolean }> {
  const [source, there] = await Promise.all([stat(image), stat(copy).catch(() => undefined)]);
  if (!there) return { isThere: false };
  const refuse = (why: string) =>
    new HamletError("file.exists", `${copy} ${why}`, { hint: "name a file that does not exist yet", exitCode: 3 });
  if (there.ino === source.ino && there.dev === source.dev) throw refuse("is the image itself");
  const found = await findProvisionBlock(copy).catch(() => undefined);
  const wanted = await findProvisionBlock(image);
  if (found?.image.inputs !== wanted.image.inputs) throw refuse("exists and is not a copy of this image");
  return { isThere: true };
}

/** Makes `copy` from `image`, with `block` in it, completely or not at all. */
export async function provisionCopy(
  image: string,
  copy: string,
  block: Buffer,
  progress: Progress,
): ReturnType<typeof provisionImage> {
  const temporary = `${copy}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await copyImage(image, temporary, progress);
    const done = await provisionImage(temporary, block);
    await rename(temporary, copy);
    return done;
  } finally {
    await rm(temporary, { force: true });
  }
}
