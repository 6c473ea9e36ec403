// The lab's own publisher: made once, kept in the user's state folder. The lab's web serves its repository, and the lab's images trust
// its release root, so that whoever publishes there updates the lab's devices.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ImageUpdates } from "../../../image/lab/machine/image.ts";
import { webUrl } from "../../../image/lab/web/web.ts";
import { documentsOf, expiryOf } from "../../../ota/repository/expiry.ts";
import { openRepository, readPublished, repositoryFolder } from "../../../ota/repository/folder.ts";
import { firstRootPath, initRepository } from "../../../ota/repository/init.ts";
import { signRepository } from "../../../ota/repository/sign.ts";
import { systemClock } from "../../../system/clock.ts";
import { errnoOf, HamletError } from "../../../system/error.ts";
import { stateFolder } from "../../../system/paths.ts";

export type LabPublisher = {
  /** As `hamlet ota init` makes one. */
  folder: string;
  passphraseFile: string;
  /** What the web serves. */
  served: string;
  updates: ImageUpdates;
};

/** The one that the user's labs have, if a lab was ever started. */
export function keptPublisher(): LabPublisher | undefined {
  const publisher = describe(ownFolder());
  return existsSync(publisher.updates.releaseRoot) ? publisher : undefined;
}

/** Makes it if there is none yet, and renews its signatures in time. */
export async function labPublisher(now = systemClock.now()): Promise<LabPublisher> {
  const { folder, passphraseFile, ...rest } = describe(ownFolder());
  // Beside the keys, which are of value to this user's labs only.
  const passphrase = await keptPassphrase(passphraseFile);
  await initRepository(folder, { passphrase, now }).catch((error: unknown) => {
    if (!(error instanceof HamletError && error.code === "ota.exists")) throw error;
  });
  // A lab is of use without updates too: what is wrong with the repository, `hamlet ota status` tells.
  await renew(folder, passphrase, now).catch(() => {});
  return { folder, passphraseFile, ...rest };
}

/** Weeks may pass between two labs, and devices take no update from a repository that has expired. */
async function renew(folder: string, passphrase: string, now: number): Promise<void> {
  const documents = documentsOf(await readPublished(folder));
  if ([...documents].every(([role, document]) => expiryOf(role, document, now).state === "fresh")) return;
  await signRepository(await openRepository(folder, passphrase), now);
}

const ownFolder = (): string => join(stateFolder(), "ota");
const describe = (folder: string): LabPublisher => ({
  folder,
  passphraseFile: `${folder}.passphrase`,
  served: repositoryFolder(folder),
  updates: { repository: webUrl, releaseRoot: firstRootPath(folder) },
});

/** The same for everybody who asks, also for two labs that start at once. */
async function keptPassphrase(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const mine = `${path}.${randomBytes(4).toString("hex")}`;
  await writeFile(mine, randomBytes(24).toString("base64url"), { mode: 0o600, flush: true });
  try {
    await link(mine, path);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  } finally {
    await rm(mine, { force: true });
  }
  return readFile(path, "utf8");
}
