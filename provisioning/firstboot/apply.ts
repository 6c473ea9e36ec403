// Applies what root itself needs of a card's settings: hostname, time zone, SSH keys, Wi-Fi, network settings and the release root, on `data`.
import { basename, dirname, join } from "node:path";
import type { ImagerSettings } from "../file/imager-settings.ts";
import { networkdFiles, wpaSupplicantConf } from "../file/network-files.ts";
import type { Network, ProvisionFile } from "../file/provision-file.ts";
import type { ReleaseRoot } from "../file/update-source.ts";
import { putFile, readTextFrom, removeFile } from "../handover/files.ts";
import { Folder } from "../handover/folder.ts";
import { timeZoneText } from "../handover/time-zone.ts";
import type { Paths } from "./paths.ts";

/** For a new device: removes what an earlier, different card left. */
export async function applyAll(
  paths: Paths,
  { name, timezone, sshKeys, network = {}, update }: ImagerSettings & Pick<ProvisionFile, "update">,
): Promise<void> {
  await putOrRemove(paths.hostname, name && `${name}\n`, 0o644);
  await putOrRemove(paths.timezone, timezone && timeZoneText(timezone), 0o644);
  await putOrRemove(paths.authorizedKeys, sshKeys && `${sshKeys.join("\n")}\n`);
  await putOrRemove(paths.wpaSupplicant, wpaSupplicantConf(network));
  await applyNetwork(paths, network);
  await putOrRemove(paths.releaseRoot, update?.releaseRoot && releaseRootText(update.releaseRoot));
}

const releaseRootText = (root: ReleaseRoot): string => `${JSON.stringify(root)}\n`;

/** Whether `root` is the one that replaced the image's on this device. */
export const isOwnReleaseRoot = async (paths: Paths, root: ReleaseRoot): Promise<boolean> =>
  (await readTextFrom(paths.releaseRoot)) === releaseRootText(root);

/** For a device that has an identity: changes only what is given, so that new Wi-Fi costs no SSH keys. Returns what it was, for people. */
export async function applyGiven(paths: Paths, { timezone, sshKeys, network = {} }: ImagerSettings): Promise<string[]> {
  if (timezone) await putOrRemove(paths.timezone, timeZoneText(timezone), 0o644);
  if (sshKeys) await putOrRemove(paths.authorizedKeys, `${sshKeys.join("\n")}\n`);
  if (network.wifi) await putOrRemove(paths.wpaSupplicant, wpaSupplicantConf(network));
  if (network.staticAddress) await applyNetwork(paths, network);
  return [
    ...(sshKeys ? ["SSH keys"] : []),
    ...(network.wifi ? ["Wi-Fi"] : []),
    ...(network.staticAddress ? ["static address"] : []),
    ...(timezone ? ["time zone"] : []),
  ];
}

async function applyNetwork(paths: Paths, network: Network): Promise<void> {
  await removeFile(paths.networkFolder);
  for (const file of networkdFiles(network)) await putFile(join(paths.networkFolder, file.name), file.content);
}

async function putOrRemove(path: string, content: string | undefined, mode = 0o600): Promise<void> {
  if (content === undefined) return removeFile(path);
  await using folder = await Folder.open(dirname(path));
  // Write only what changes, because cards wear out. The mode counts too: a strict umask must not hide a public file.
  if ((await folder?.modeOf(basename(path))) === mode && (await readTextFrom(path)) === content) return;
  await putFile(path, content, { mode });
}
