// An identity that moves to another disk (`hamlet install`) is never in two places, and never in none for good. The mark on
// this disk names the other one; that disk's partition table, written last, is the moment at which the move has happened.
// Whoever finds the mark, the installer at its end or the next boot after a power cut, decides by that table.
import { chown, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { readJson, writeJson } from "../../system/files.ts";
import type { Paths } from "./paths.ts";
import type { Owner } from "./settle.ts";
import { isThere, wipe, wipeInside } from "./wipe.ts";

export const Moving = z.strictObject({
  v: z.literal(1),
  /** What the hardware says of the other disk, and the GUID that its table will have. */
  disk: z.string().min(1),
  guid: z.string().regex(/^[0-9a-f-]{36}$/),
});
export type Moving = z.infer<typeof Moving>;

export type MoveOutcome =
  | "none"
  /** The other disk was never finished: all is as before. */
  | "stayed"
  /** The other disk has it; nothing of it is left here. */
  | "moved"
  /** The other disk is not there to ask: until it is, this one has no identity. */
  | "unclear";

export type Disk = {
  /** What the hardware says of itself: serial number or world-wide name. */
  id: string;
  path: string;
  /** The GUID of a GPT whose header is whole; `blank` without one: nothing starts from it. */
  table: { guid: string } | "blank" | "unreadable";
};

/** From here on a power cut is answered by `settleMove`. Changes nothing yet. */
export async function beginMove(paths: Paths, moving: Moving): Promise<void> {
  await writeJson(paths.moving, moving);
}

/** The identity is out of the way of whoever starts from here; right before the other disk gets its table. */
export async function hideIdentity(paths: Paths): Promise<void> {
  await rename(paths.agentFolder, paths.hiddenAgent);
  await syncFolders(paths);
}

/** May be done again after a power cut at any line. */
export async function settleMove(paths: Paths, agent: Owner): Promise<MoveOutcome> {
  const moving = await readJson(paths.moving, Moving).catch(() => undefined);
  if (!moving) return "none";
  if (!(await isThere(paths.hiddenAgent))) {
    // Either it did not come to hiding it, or all of it was wiped but for the mark.
    const table = (await readDisks(paths)).find(({ id }) => id === moving.disk)?.table;
    const isOurs = typeof table === "object" && table.guid === moving.guid;
    if (isOurs) await forget(paths, agent);
    await rm(paths.moving, { force: true });
    return isOurs ? "moved" : "stayed";
  }
  if (await isThere(paths.identity)) {
    // Provisioned anew since then: this stick is another device now, and who it was is not coming back.
    await wipe(paths.hiddenAgent);
    await rm(paths.moving, { force: true });
    return "none";
  }
  const target = (await readDisks(paths)).find(({ id }) => id === moving.disk);
  if (!target || target.table === "unreadable") {
    await makeAgentFolder(paths, agent);
    return "unclear";
  }
  if (target.table === "blank") {
    // What was made in its place since then is nobody's.
    await rm(paths.agentFolder, { recursive: true, force: true });
    await rename(paths.hiddenAgent, paths.agentFolder);
    await syncFolders(paths);
    await rm(paths.moving, { force: true });
    return "stayed";
  }
  // It was blank when the identity was hidden, so its table is ours, though its first boot has given it another GUID.
  await forget(paths, agent);
  await rm(paths.moving, { force: true });
  return "moved";
}

/** Nothing of who this was stays here. The hidden folder last: while it is there this is done again. */
async function forget(paths: Paths, agent: Owner): Promise<void> {
  await wipeInside(paths.rootFolder, [paths.moving, paths.hiddenAgent]);
  for (const path of [paths.machineId, paths.hostname]) await rm(path, { force: true });
  await wipeInside(paths.agentFolder);
  await makeAgentFolder(paths, agent);
  await wipe(paths.hiddenAgent);
  await syncFolders(paths);
}

/** Every disk of this computer. */
export async function readDisks(paths: Paths): Promise<Disk[]> {
  const names = await readdir(paths.blocks).catch((): string[] => []);
  const disks = names.filter((name) => !/^(loop|ram|zram|dm-|md|sr|fd|nbd)/.test(name) && !/boot\d+$/.test(name));
  return await Promise.all(
    disks.map(async (name) => {
      const path = join(paths.dev, name);
      return { id: await diskId(join(paths.blocks, name), name), path, table: await readTable(path) };
    }),
  );
}

async function diskId(folder: string, name: string): Promise<string> {
  for (const file of ["wwid", "device/wwid", "device/cid", "device/serial", "serial"]) {
    const text = (await readFile(join(folder, file), "utf8").catch(() => "")).trim();
    if (text) return text;
  }
  return name;
}

/** UEFI specification 5.3.2: the header in the second sector, its sum over 92 bytes at 16, the disk's GUID at 56. */
async function readTable(path: string): Promise<Disk["table"]> {
  try {
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
      const header = buffer.subarray(512, 604);
      if (bytesRead < 604 || header.toString("latin1", 0, 8) !== "EFI PART") return "blank";
      const sum = header.readUInt32LE(16);
      header.writeUInt32LE(0, 16);
      if (crc32(header) !== sum) return "blank";
      const field = (from: number, to: number) => Buffer.from(header.subarray(from, to));
      // The first three are little-endian on disk.
      const fields = [
        field(56, 60).reverse(),
        field(60, 62).reverse(),
        field(62, 64).reverse(),
        field(64, 66),
        field(66, 72),
      ];
      return { guid: fields.map((bytes) => bytes.toString("hex")).join("-") };
    } finally {
      await file.close();
    }
  } catch {
    return "unreadable";
  }
}

async function makeAgentFolder(paths: Paths, { uid, gid }: Owner): Promise<void> {
  await mkdir(paths.agentFolder, { recursive: true, mode: 0o700 });
  await chown(paths.agentFolder, uid, gid);
}

/** A rename is on the medium once the folders on both of its sides are. */
async function syncFolders(paths: Paths): Promise<void> {
  for (const folder of [dirname(paths.agentFolder), dirname(paths.hiddenAgent)]) {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
