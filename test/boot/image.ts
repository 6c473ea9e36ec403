// The image that all tests share, and the publisher whose release root it trusts.
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { type ImageUpdates, labImage } from "../../image/lab/machine/image.ts";
import { webUrl } from "../../image/lab/web/web.ts";
import { openRepository, repositoryFolder } from "../../ota/repository/folder.ts";
import { firstRootPath, initRepository } from "../../ota/repository/init.ts";
import { signRepository } from "../../ota/repository/sign.ts";
import { HamletError } from "../../system/error.ts";
import { cacheFolder } from "../../system/paths.ts";

export type TestPublisher = {
  folder: string;
  /** What a web serves. */
  served: string;
  passphrase: string;
};

/** It has published nothing. Kept, so that the image stays the same on one computer. */
const unused = () => join(cacheFolder(), "test-publisher");
const passphrase = "only for tests";

export async function testUpdates(): Promise<ImageUpdates> {
  await initRepository(unused(), { passphrase, now: Date.now() }).catch((error: unknown) => {
    if (!(error instanceof HamletError && error.code === "ota.exists")) throw error;
  });
  return { repository: webUrl, releaseRoot: firstRootPath(unused()) };
}

/** Beside the one of `hamlet lab up`, which trusts this user's own release root: they do not replace each other. */
export const testImage = async (board?: string): Promise<string> =>
  labImage(board, { updates: await testUpdates(), folder: join(cacheFolder(), "test-image") });

/** One whose releases the shared image installs, in the new folder `folder`. */
export async function testPublisher(folder: string): Promise<TestPublisher> {
  await testUpdates();
  await cp(unused(), folder, { recursive: true });
  // It may have been made long ago.
  await signRepository(await openRepository(folder, passphrase), Date.now());
  return publisherIn(folder);
}

/** One that was made before, or a copy of it. */
export const publisherIn = (folder: string): TestPublisher => ({
  folder,
  served: repositoryFolder(folder),
  passphrase,
});
