// A throwaway neighborhood for tests that make their own devices, with provision files like those of `hamlet provision`.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Identity, loadIdentity } from "../agent/identity.ts";
import { encodeProvisionFile, type ProvisionFile } from "../provisioning/file/provision-file.ts";
import type { TokenCertificate } from "../provisioning/trust/token.ts";
import { makeStreet, makeTokenFile } from "./street.ts";

export type TestNeighborhood = Awaited<ReturnType<typeof makeNeighborhood>>;

export async function makeNeighborhood() {
  const street = makeStreet();
  const shared = await makeTokenFile(street);
  return {
    root: street.root,
    token: (change: Partial<TokenCertificate> = {}) => makeTokenFile(street, change),
    provision: (device: Partial<ProvisionFile>): Buffer => encodeProvisionFile({ ...shared, ...device }),
  };
}

/** Runs a device's first boot with this provision file and returns its identity; its state is in `stateFolder`. */
export async function bootDevice(stateFolder: string, provision: Buffer): Promise<Identity> {
  await mkdir(stateFolder, { recursive: true });
  const path = join(stateFolder, "provision.json");
  await writeFile(path, provision, { mode: 0o600 });
  return (await loadIdentity({ board: "nuc", release: "1.0.0", bootId: "boot-1", stateFolder }, path))!;
}
