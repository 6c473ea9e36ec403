// A throw-away neighborhood for the lab's devices, made and provisioned by the same code that a user runs.
import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { issueToken } from "../../provisioning/issue-token.ts";
import { initNeighborhood, openNeighborhood } from "../../provisioning/neighborhood.ts";
import { encodeProvisionFile } from "../../provisioning/provision-file.ts";
import type { Run } from "../../system/command.ts";
import { findProvisionBlock } from "../provision.ts";
import { deviceNames, type LabDevice } from "./devices.ts";
import { writeToDisk } from "./disk.ts";

const dayMs = 86_400_000;

/** Makes the neighborhood in `folder`; gives what fills in one device's provision block, on its own disk with `image`. */
export async function makeLabNeighborhood(
  run: Run,
  folder: string,
  now: number,
): Promise<(device: LabDevice, image: string) => Promise<void>> {
  const home = join(folder, "neighborhood");
  // Nobody will type it: the neighborhood ends with the lab.
  const passphrase = randomBytes(24).toString("base64url");
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
      // It holds the token's secret.
      await rm(join(folder, source), { force: true });
    }
  };
}
