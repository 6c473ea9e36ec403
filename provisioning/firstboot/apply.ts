// Root's part of what a card says: hostname, SSH keys, Wi-Fi and network settings, on `data`.
import { basename, dirname, join } from "node:path";
import { networkdFiles, wpaSupplicantConf } from "../file/network-files.ts";
import type { Network } from "../file/provision-file.ts";
import { putFile, readTextFrom, removeFile } from "../handover/files.ts";
import { Folder } from "../handover/folder.ts";
import type { ImagerWishes } from "../handover/wishes.ts";
import type { Paths } from "./paths.ts";

/** Exactly what the card says: what an earlier, different one left is gone. */
export async function applyWhole(paths: Paths, { name, sshKeys, network = {} }: ImagerWishes): Promise<void> {
  await putOrRemove(paths.hostname, name && `${name}\n`, 0o644);
  await putOrRemove(paths.authorizedKeys, sshKeys && `${sshKeys.join("\n")}\n`);
  await putOrRemove(paths.wpaSupplicant, wpaSupplicantConf(network));
  await applyNetwork(paths, network);
}

/** Only what the card names: who changes the Wi-Fi of a member does not say its SSH keys again. Returns what that was, for people. */
export async function applyNamed(paths: Paths, { sshKeys, network = {} }: ImagerWishes): Promise<string[]> {
  if (sshKeys) await putOrRemove(paths.authorizedKeys, `${sshKeys.join("\n")}\n`);
  if (network.wifi) await putOrRemove(paths.wpaSupplicant, wpaSupplicantConf(network));
  if (network.staticAddress) await applyNetwork(paths, network);
  return [
    ...(sshKeys ? ["SSH keys"] : []),
    ...(network.wifi ? ["Wi-Fi"] : []),
    ...(network.staticAddress ? ["static address"] : []),
  ];
}

async function applyNetwork(paths: Paths, network: Network): Promise<void> {
  await removeFile(paths.networkFolder);
  for (const file of networkdFiles(network)) await putFile(join(paths.networkFolder, file.name), file.content);
}

async function putOrRemove(path: string, content: string | undefined, mode = 0o600): Promise<void> {
  if (content === undefined) return removeFile(path);
  await using folder = await Folder.open(dirname(path));
  // Written when it changes: cards wear out. The umask of whoever starts us must not hide a public file.
  if ((await folder?.modeOf(basename(path))) === mode && (await readTextFrom(path)) === content) return;
  await putFile(path, content, { mode });
}
