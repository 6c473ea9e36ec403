// What the agent makes its identity of: `provision.json` in its folder. Root puts it there, or the owner of a machine that runs the agent
// without root's one-shot; the agent wipes it once its keys are on disk.
import { readSmallFile } from "../../system/small-file.ts";
import { openProvision, type Provision } from "../file/provision.ts";
import { type ProvisionFile, provisionBlockBytes } from "../file/provision-file.ts";
import { giveJson } from "./files.ts";
import type { Owner } from "./folder.ts";

/** For root. Wi-Fi password, SSH keys, time zone and the release root stay with it. */
export async function giveProvision(path: string, file: ProvisionFile, agent: Owner): Promise<void> {
  const { network: _, sshKeys: __, update: ___, timezone: ____, ...agents } = file;
  const config = configFor(file);
  await giveJson(path, { ...agents, ...(config && { config }) }, agent);
}

/** The agent's settings, with the repositories, which the agent fetches from. A repository among the settings themselves counts more. */
export function configFor({ config, update }: Pick<ProvisionFile, "config" | "update">): ProvisionFile["config"] {
  if (update?.repositories === undefined) return config;
  const own = typeof config?.["update"] === "object" ? config["update"] : {};
  return { ...config, update: { repositories: update.repositories, ...own } };
}

/** For the agent: undefined if there is none. Throws `provision.*` or `file.invalid`. */
export async function readProvision(path: string, board: string): Promise<Provision | undefined> {
  const bytes = await readSmallFile(path, 2 * provisionBlockBytes);
  return bytes && (await openProvision(bytes, board));
}
