// Takes the provision file from the FAT partition to the data partition, once, and leaves a blank behind.
// Power may go after any line: all is synced to `data` before the wipe, and until the agent has made its identity all may be done again.
import { chmod, chown, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, HamletError } from "../../system/error.ts";
import { writeFileAtomic, writeJson } from "../../system/files.ts";
import type { ImagerWishes } from "../imager.ts";
import { networkdFiles, wpaSupplicantConf } from "../network-files.ts";
import { verifyProvision } from "../provision-device.ts";
import {
  blankProvisionBlock,
  decodeProvisionFile,
  isBlankProvisionBlock,
  type Network,
  type ProvisionFile,
  provisionBlockBytes,
  requireBoard,
} from "../provision-file.ts";
import { readPast, requireNeighborhood } from "./past.ts";
import type { Paths } from "./paths.ts";

export type Owner = { uid: number; gid: number };
export type Settled =
  | { outcome: "settled"; name: string | undefined }
  /** A member of this neighborhood got new network settings or SSH keys, and stays who it is. */
  | { outcome: "resettled" }
  /** `name`: what Raspberry Pi Imager called it. */
  | { outcome: "unprovisioned"; name: string | undefined }
  | { outcome: "alreadySettled" };

/**
 * `beneath` is what Raspberry Pi Imager said: it holds where the provision file says nothing.
 * Throws `provision.*` or `document.refused`, having changed nothing, and the system's errors.
 */
export async function settleProvision(
  paths: Paths,
  board: string,
  agent: Owner,
  beneath: ImagerWishes = {},
): Promise<Settled> {
  const past = await readPast(paths);
  if (past.kind === "unreadable") return { outcome: "alreadySettled" };
  const block = await readBlock(paths.provisionFile);
  if (!block || isBlankProvisionBlock(block)) {
    if (past.kind !== "nobody") return { outcome: "alreadySettled" };
    if (Object.keys(beneath).length > 0) await settleRootsPart(paths, beneath);
    return { outcome: "unprovisioned", name: beneath.name };
  }
  const said = decodeProvisionFile(block);
  requireBoard(said, board);
  await verifyProvision(said);
  const file = { ...beneath, ...said, network: { ...beneath.network, ...said.network } };

  if (past.kind !== "nobody" && past.token === file.token) {
    // What made this identity once; only the wipe is left to be done.
    await wipe(paths.provisionFile, block.length);
    return { outcome: "alreadySettled" };
  }
  if (past.kind === "member") {
    requireNeighborhood(file, past.neighborhood);
    await resettle(paths, said);
    await wipe(paths.provisionFile, block.length);
    return { outcome: "resettled" };
  }
  await settleRootsPart(paths, file);
  await settleAgentsPart(paths, file, agent);
  // Nobody ever let it in, by an old token or at all: with the new one it begins anew. Until the wipe a later boot does it again.
  for (const path of [paths.roster, paths.standing, paths.identity]) await rm(path, { force: true });
  await wipe(paths.provisionFile, block.length);
  return { outcome: "settled", name: file.name };
}

/** Only what the file names: who changes the Wi-Fi of a member does not say its SSH keys again. */
async function resettle(paths: Paths, { sshKeys, network = {} }: ProvisionFile): Promise<void> {
  if (sshKeys) await writeOrRemove(paths.authorizedKeys, `${sshKeys.join("\n")}\n`);
  if (network.wifi) await writeOrRemove(paths.wpaSupplicant, wpaSupplicantConf(network));
  if (network.staticAddress) await settleNetwork(paths, network);
}

/** Exactly what the file says: what an earlier, different file left is gone. */
async function settleRootsPart(paths: Paths, { name, sshKeys, network = {} }: ImagerWishes): Promise<void> {
  await mkdir(dirname(paths.wpaSupplicant), { recursive: true, mode: 0o700 });
  await writeOrRemove(paths.hostname, name && `${name}\n`, 0o644);
  await writeOrRemove(paths.authorizedKeys, sshKeys && `${sshKeys.join("\n")}\n`);
  await writeOrRemove(paths.wpaSupplicant, wpaSupplicantConf(network));
  await settleNetwork(paths, network);
}

async function settleNetwork(paths: Paths, network: Network): Promise<void> {
  await rm(paths.networkFolder, { recursive: true, force: true });
  for (const file of networkdFiles(network)) await writeFileAtomic(join(paths.networkFolder, file.name), file.content);
}

/** Last, because with it the agent becomes somebody. Wi-Fi password and SSH keys stay with root. */
async function settleAgentsPart(paths: Paths, file: ProvisionFile, agent: Owner): Promise<void> {
  const { network: _, sshKeys: __, ...agents } = file;
  await giveToAgent(paths.provision, agents, agent);
  await rm(paths.report, { force: true });
}

/** Writes JSON that only the agent's user may read. */
export async function giveToAgent(path: string, value: unknown, { uid, gid }: Owner): Promise<void> {
  const folder = dirname(path);
  if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await chown(folder, uid, gid);
  await writeJson(path, value);
  await chown(path, uid, gid);
}

async function writeOrRemove(path: string, content: string | undefined, mode = 0o600): Promise<void> {
  if (content === undefined) return rm(path, { force: true });
  // Written when it changes: cards wear out.
  if ((await readFile(path, "utf8").catch(() => undefined)) !== content) await writeFileAtomic(path, content, { mode });
  // The umask of whoever starts us must not hide a public file.
  if (((await stat(path)).mode & 0o777) !== mode) await chmod(path, mode);
}

async function readBlock(path: string): Promise<Buffer | undefined> {
  try {
    const file = await open(path, "r");
    try {
      const { bytesRead, buffer } = await file.read(
        Buffer.alloc(provisionBlockBytes + 1),
        0,
        provisionBlockBytes + 1,
        0,
      );
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw new HamletError("provision.invalid", "the provision file can not be read", {
      hint: "the boot partition may be damaged: flash the card again",
      cause,
    });
  }
}

/** In place, so that the same sectors lose the secret. A shorter file gets a blank of a block all the same. */
async function wipe(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const blank = blankProvisionBlock();
    await file.write(blank, 0, blank.length, 0);
    if (sizeBytes > blank.length) await file.truncate(blank.length);
    await file.sync();
  } finally {
    await file.close();
  }
}
