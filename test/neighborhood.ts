// A neighborhood for one test: keys made here and gone with it, and provision files as `hamlet provision` would write them.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { issueToken, type TokenTerms } from "../provisioning/issue-token.ts";
import { initNeighborhood, openNeighborhood } from "../provisioning/neighborhood.ts";
import { encodeProvisionFile, type ProvisionFile } from "../provisioning/provision-file.ts";

export type TestNeighborhood = Awaited<ReturnType<typeof makeNeighborhood>>;

/** `folder` must not exist yet. */
export async function makeNeighborhood(folder: string, name = "Elm Street") {
  const passphrase = "correct horse battery";
  await initNeighborhood(folder, { name, passphrase, now: Date.now() });
  const opened = await openNeighborhood(folder, passphrase);
  const terms: TokenTerms = { validMs: 3_600_000, maxDevices: 10, tags: [], adopt: "auto", now: Date.now() };
  const token = async (change: Partial<TokenTerms> = {}) => (await issueToken(opened, { ...terms, ...change })).file;
  const shared = await token();
  return {
    opened,
    token,
    provision: (device: Partial<ProvisionFile>): Buffer => encodeProvisionFile({ ...shared, ...device }),
  };
}

/** Writes an agent's config and provision file below `folder` and gives the path of the config. */
export async function makeAgentFolder(folder: string, provision: Buffer, config: object = {}): Promise<string> {
  const stateFolder = join(folder, "state");
  await mkdir(stateFolder, { recursive: true });
  await writeFile(join(stateFolder, "provision.json"), provision, { mode: 0o600 });
  const path = join(folder, "agent.json");
  await writeFile(
    path,
    JSON.stringify({ stateFolder, runtimeFolder: join(folder, "run"), release: "0.1.0", ...config }),
  );
  return path;
}
