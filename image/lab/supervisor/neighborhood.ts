// Makes a temporary neighborhood for the lab's devices and provisions them, by the same code that a user runs.
import { randomBytes } from "node:crypto";
import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { issueToken } from "../../../provisioning/neighborhood/issue-token.ts";
import { initNeighborhood, openNeighborhood } from "../../../provisioning/neighborhood/neighborhood.ts";
import type { Run } from "../../../system/command.ts";
import { writeFileAtomic } from "../../../system/files.ts";
import { findProvisionBlock } from "../../card/provision.ts";
import { deviceNames, type LabDevice } from "../machine/devices.ts";
import { writeToDisk } from "../machine/disk.ts";

const dayMs = 86_400_000;
const neighborhoodNames = { folder: "neighborhood", passphrase: "neighborhood.passphrase" };

/** Where a lab in `folder` has its neighborhood's folder, and the file with its passphrase. */
export const labNeighborhoodIn = (folder: string) => ({
  folder: join(folder, neighborhoodNames.folder),
  passphrase: join(folder, neighborhoodNames.passphrase),
});

/** Makes the neighborhood in `folder`; returns a function that fills the provision block on a device's disk with `image`. */
export async function makeLabNeighborhood(
  run: Run,
  folder: string,
  now: number,
): Promise<(device: LabDevice, image: string) => Promise<void>> {
  const { folder: home, passphrase: passphraseFile } = labNeighborhoodIn(folder);
  // Stored beside the keys, which are of value only to this lab and to those that resume from it.
  const passphrase = randomBytes(24).toString("base64url");
  await writeFileAtomic(passphraseFile, passphrase);
  await initNeighborhood(home, { name: "Lab Street", passphrase, now });
  const neighborhood = await openNeighborhood(home, passphrase);
  const terms = { validMs: 7 * dayMs, maxDevices: deviceNames.length, tags: [], adopt: "auto" as const };
  const { file } = await issueToken(neighborhood, { ...terms, now });
  return async (device, image) => {
    const { name } = device;
    const block = await findProvisionBlock(image);
    const source = `${name}.provision`;
    await writeFile(join(folder, source), encodeProvisionFile({ ...file, name }), { mode: 0o600 });
    try {
      await writeToDisk(run, folder, device, { source, ...block });
    } finally {
      // It contains the token's secret.
      await rm(join(folder, source), { force: true });
    }
  };
}

/** The neighborhood's folder, with keys and passphrase, is saved and restored with a lab's state. */
export async function copyLabNeighborhood(from: string, to: string): Promise<void> {
  for (const name of Object.values(neighborhoodNames)) await cp(join(from, name), join(to, name), { recursive: true });
}

export async function removeLabNeighborhood(folder: string): Promise<void> {
  for (const name of Object.values(neighborhoodNames)) await rm(join(folder, name), { recursive: true, force: true });
}
