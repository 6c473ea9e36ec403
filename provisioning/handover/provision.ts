// What the agent makes its identity of: `provision.json` in its folder. Root puts it there, or the owner of a machine that runs the agent
// without root's one-shot; the agent wipes it once its keys are on disk.
import { readSmallFile } from "../../system/small-file.ts";
import { openProvision, type Provision } from "../file/provision.ts";
import { type ProvisionFile, provisionBlockBytes } from "../file/provision-file.ts";
import { giveJson } from "./files.ts";
import type { Owner } from "./folder.ts";

/** For root. Wi-Fi password and SSH keys stay with it. */
export async function giveProvision(path: string, file: ProvisionFile, agent: Owner): Promise<void> {
  const { network: _, sshKeys: __, ...agents } = file;
  await giveJson(path, agents, agent);
}

/** For the agent: undefined if there is none. Throws `provision.*` or `file.invalid`. */
export async function readProvision(path: string, board: string): Promise<Provision | undefined> {
  const bytes = await readSmallFile(path, 2 * provisionBlockBytes);
  return bytes && (await openProvision(bytes, board));
}
