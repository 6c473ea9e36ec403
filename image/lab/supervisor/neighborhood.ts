// Makes a temporary neighborhood for the lab's devices and provisions them, by the same code that a user runs.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeProvisionFile, type ProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { issueToken, type TokenFile } from "../../../provisioning/neighborhood/issue-token.ts";
import {
  initNeighborhood,
  type OpenNeighborhood,
  openNeighborhood,
  readNeighborhood,
} from "../../../provisioning/neighborhood/neighborhood.ts";
import type { Run } from "../../../system/command.ts";
import { writeFileAtomic } from "../../../system/files.ts";
import { findProvisionBlock } from "../../card/provision.ts";
import type { LabDevice } from "../machine/devices.ts";
import { writeToDisk } from "../machine/disk.ts";

const dayMs = 86_400_000;
const neighborhoodNames = { folder: "neighborhood", passphrase: "neighborhood.passphrase" };

/** Where a lab in `folder` has its neighborhood's folder, and the file with its passphrase. */
export const labNeighborhoodIn = (folder: string) => ({
  folder: join(folder, neighborhoodNames.folder),
  passphrase: join(folder, neighborhoodNames.passphrase),
});

/** `confirm`: the device waits until its owner adopts it. */
export type Adopt = "auto" | "confirm";
export type ProvisionDevice = (device: LabDevice, image: string, adopt?: Adopt) => Promise<void>;

/** Makes the neighborhood in `folder`, or goes on with one that is there; returns what fills the provision block on a device's disk. */
export async function makeLabNeighborhood(
  run: Run,
  folder: string,
  now: number,
  update?: ProvisionFile["update"],
): Promise<ProvisionDevice> {
  const { folder: home, passphrase: passphraseFile } = labNeighborhoodIn(folder);
  if (!existsSync(passphraseFile)) {
    // Stored beside the keys, which are of value only to this lab and to those that resume from it.
    const passphrase = randomBytes(24).toString("base64url");
    await writeFileAtomic(passphraseFile, passphrase);
    await initNeighborhood(home, { name: "Lab Street", passphrase, now });
  }
  const tokenOf = makeLabTokens(await openNeighborhood(home, await readFile(passphraseFile, "utf8")), now);
  return async (device, image, adopt = "auto") => {
    const { name } = device;
    const block = await findProvisionBlock(image);
    const source = `${name}.provision`;
    const file = await tokenOf(adopt);
    await writeFile(join(folder, source), encodeProvisionFile({ ...file, name, ...(update && { update }) }), {
      mode: 0o600,
    });
    try {
      await writeToDisk(run, folder, device, { source, ...block });
    } finally {
      // It contains the token's secret.
      await rm(join(folder, source), { force: true });
    }
  };
}

/** Each device has a token of its own, as each card has: who revokes one device closes no other's token. */
export function makeLabTokens({ folder, root }: OpenNeighborhood, now: number): (adopt: Adopt) => Promise<TokenFile> {
  const terms = { validMs: 7 * dayMs, maxDevices: 1, tags: [], now };
  return async (adopt) => {
    // Read anew: a token carries the revocations that there are.
    const neighborhood = { ...(await readNeighborhood(folder)), root };
    return (await issueToken(neighborhood, { ...terms, adopt })).file;
  };
}

/** The neighborhood's folder, with keys and passphrase, is saved and restored with a lab's state. */
export async function copyLabNeighborhood(from: string, to: string): Promise<void> {
  for (const name of Object.values(neighborhoodNames)) await cp(join(from, name), join(to, name), { recursive: true });
}

export async function removeLabNeighborhood(folder: string): Promise<void> {
  for (const name of Object.values(neighborhoodNames)) await rm(join(folder, name), { recursive: true, force: true });
}
