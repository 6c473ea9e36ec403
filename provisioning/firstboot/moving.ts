// An identity that moves to another disk (`hamlet install`) is never in two places, and never in none for good. The mark on
// this disk names the other one; that disk's partition table, written last, is the moment at which the move has happened.
// Whoever finds the mark, the installer at its end or the next boot after a power cut, decides by that table.
import { basename, dirname } from "node:path";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { copyOf } from "../../system/kept.ts";
import { isThere, putJson, readKeptFrom, removeFile, removeKept } from "../handover/files.ts";
import { Folder, type Owner } from "../handover/folder.ts";
import { wipe, wipeInside } from "../handover/wipe.ts";
import { readDisks } from "./disks.ts";
import { readPast } from "./past.ts";
import type { Paths } from "./paths.ts";

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

/** From here on a power cut is answered by `settleMove`. Changes nothing yet. */
export async function beginMove(paths: Paths, moving: Moving): Promise<void> {
  // Twice, and no more than its schema says: an earlier release must read it too.
  for (const path of [copyOf(paths.moving), paths.moving]) await putJson(path, moving);
}

/** The identity is out of the way of whoever starts from here; right before the other disk gets its table. */
export async function hideIdentity(paths: Paths): Promise<void> {
  await moveFolder(paths.agentFolder, paths.hiddenAgent);
}

/** May be done again after a power cut at any line. */
export async function settleMove(paths: Paths, agent: Owner): Promise<MoveOutcome> {
  const moving = await readKeptFrom(paths.moving, Moving).catch(() => "damaged" as const);
  if (moving === undefined) return "none";
  if (moving === "damaged") return await withoutMark(paths, agent);
  if (!(await isThere(paths.hiddenAgent))) {
    // Either it did not come to hiding it, or all of it was wiped but for the mark.
    const table = (await readDisks(paths)).find(({ id }) => id === moving.disk)?.table;
    const isOurs = typeof table === "object" && table.guid === moving.guid;
    if (isOurs) await forget(paths, agent);
    await removeKept(paths.moving);
    return isOurs ? "moved" : "stayed";
  }
  const past = await readPast(paths);
  if (past.kind === "unreadable") throw past.because;
  if (past.kind === "member" || past.kind === "waiting") {
    // Provisioned anew since then: this stick is another device now, and who it was is not coming back.
    await wipe(paths.hiddenAgent);
    await removeKept(paths.moving);
    return "none";
  }
  const target = (await readDisks(paths)).find(({ id }) => id === moving.disk);
  if (!target || target.table === "unreadable") {
    await makeAgentFolder(paths, agent);
    return "unclear";
  }
  if (target.table === "blank") {
    // What was made in its place since then is nobody's.
    await removeFile(paths.agentFolder);
    await moveFolder(paths.hiddenAgent, paths.agentFolder);
    await removeKept(paths.moving);
    return "stayed";
  }
  // It was blank when the identity was hidden, so its table is ours, though its first boot has given it another GUID.
  await forget(paths, agent);
  await removeKept(paths.moving);
  return "moved";
}

/** Where an identity was to go nobody knows any more. One that is still in its place has not gone anywhere. */
async function withoutMark(paths: Paths, agent: Owner): Promise<MoveOutcome> {
  if (await isThere(paths.hiddenAgent)) {
    await makeAgentFolder(paths, agent);
    throw new HamletError("install.unclear", "this device was being installed to a disk, and which one is damaged", {
      hint: `pull this stick out and start: where no disk starts as this device, put the stick back and type on it: rm -r ${paths.agentFolder} ${paths.moving}* && mv ${paths.hiddenAgent} ${paths.agentFolder} && reboot`,
    });
  }
  await removeKept(paths.moving);
  return "stayed";
}

/** Nothing of who this was stays here. The hidden folder last: while it is there this is done again. */
async function forget(paths: Paths, agent: Owner): Promise<void> {
  await wipeInside(paths.rootFolder, [paths.moving, copyOf(paths.moving), paths.hiddenAgent]);
  for (const path of [paths.machineId, paths.hostname]) await removeFile(path);
  await wipeInside(paths.agentFolder);
  await makeAgentFolder(paths, agent);
  await wipe(paths.hiddenAgent);
}

/** What the stick says that an identity has left, or perhaps left. */
export function problemOfMove(move: MoveOutcome): HamletError | undefined {
  switch (move) {
    case "none":
    case "stayed":
      return undefined;
    case "moved":
      return new HamletError(
        "install.moved",
        "this device lives on its internal disk now; nothing of it is left here",
        { hint: "pull this stick out and start again; provision it to make it another device" },
      );
    case "unclear":
      return new HamletError("install.unclear", "this device was being installed to a disk that is not there now", {
        hint: "put that disk back and start again: either of the two will be this device then",
      });
  }
}

async function makeAgentFolder({ agentFolder }: Paths, owner: Owner): Promise<void> {
  await using folder = await Folder.make(agentFolder, { mode: 0o700, owner });
  await folder.chown(owner);
  await folder.sync();
}

/** On the medium once the folders on both of its sides are. */
async function moveFolder(from: string, to: string): Promise<void> {
  await using here = await Folder.make(dirname(from));
  await using there = await Folder.make(dirname(to), { mode: 0o700 });
  await here.rename(basename(from), basename(to), there);
}
