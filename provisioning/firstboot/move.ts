// Moves an identity to another disk (`hamlet install`), so that it is never on two disks and never lost. A mark on this disk names the
// other one. The other disk's partition table, written last, is the moment at which the move has happened: whoever finds the mark, the
// installer at its end or the next boot after a power cut, decides by that table.
import { basename, dirname } from "node:path";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { copyOf } from "../../system/kept.ts";
import { isThere, putJson, readKeptFrom, removeFile, removeKept } from "../handover/files.ts";
import { Folder, type Owner } from "../handover/folder.ts";
import { wipe } from "../handover/wipe.ts";
import { readDeviceState } from "./device-state.ts";
import { readDisks } from "./disks.ts";
import { forgetDevice } from "./forget.ts";
import type { Paths } from "./paths.ts";

export const MoveMark = z.strictObject({
  v: z.literal(1),
  disk: z.string().min(1).describe("serial number or world-wide name of the other disk"),
  guid: z
    .string()
    .regex(/^[0-9a-f-]{36}$/)
    .describe("GUID that its partition table will have"),
});
export type MoveMark = z.infer<typeof MoveMark>;

export type MoveOutcome =
  | "none"
  /** The other disk was never finished: nothing has changed. */
  | "stayed"
  /** The other disk has the identity; nothing of it is left here. */
  | "moved"
  /** The other disk is not there to ask: until it is, this one has no identity. */
  | "unclear";

/** From here on `finishMove` answers a power cut. Changes nothing else yet. */
export async function beginMove(paths: Paths, mark: MoveMark): Promise<void> {
  // Written twice, without a checksum: an earlier release must be able to read it.
  for (const path of [copyOf(paths.moving), paths.moving]) await putJson(path, mark);
}

/** Takes the identity away from whatever starts here, right before the other disk gets its table. */
export async function hideIdentity(paths: Paths): Promise<void> {
  await moveFolder(paths.agentFolder, paths.hiddenAgent);
}

/** Whether `finishMove` will look for the other disk. */
export const isMoving = async ({ moving }: Paths): Promise<boolean> =>
  (await isThere(moving)) || (await isThere(copyOf(moving)));

/** Can be repeated after a power cut at any line. */
export async function finishMove(paths: Paths, agent: Owner): Promise<MoveOutcome> {
  const mark = await readKeptFrom(paths.moving, MoveMark).catch(() => "damaged" as const);
  if (mark === undefined) return "none";
  if (mark === "damaged") return await finishWithoutMark(paths, agent);
  if (!(await isThere(paths.hiddenAgent))) {
    // Either the identity was never hidden, or all of it is wiped and only the mark is left.
    const table = (await readDisks(paths)).find(({ id }) => id === mark.disk)?.table;
    const isOurs = typeof table === "object" && table.guid === mark.guid;
    if (isOurs) await forgetMoved(paths, agent);
    await removeKept(paths.moving);
    return isOurs ? "moved" : "stayed";
  }
  const state = await readDeviceState(paths);
  if (state.phase === "unreadable") throw state.because;
  if (state.phase === "member" || state.phase === "pending") {
    // Provisioned again since then: this stick is another device now, and its former identity does not come back.
    await wipe(paths.hiddenAgent);
    await removeKept(paths.moving);
    return "none";
  }
  const target = (await readDisks(paths)).find(({ id }) => id === mark.disk);
  if (!target || target.table === "unreadable") {
    await makeAgentFolder(paths, agent);
    return "unclear";
  }
  if (target.table === "blank") {
    // A boot in between may have made an empty folder in its place.
    await removeFile(paths.agentFolder);
    await moveFolder(paths.hiddenAgent, paths.agentFolder);
    await removeKept(paths.moving);
    return "stayed";
  }
  // The disk was blank when the identity was hidden, so the table is ours, even if its first boot has given it another GUID.
  await forgetMoved(paths, agent);
  await removeKept(paths.moving);
  return "moved";
}

/** The mark is damaged, so the target is unknown. An identity that is still in its place has not moved. */
async function finishWithoutMark(paths: Paths, agent: Owner): Promise<MoveOutcome> {
  if (await isThere(paths.hiddenAgent)) {
    await makeAgentFolder(paths, agent);
    throw new HamletError(
      "install.unclear",
      "this device was being installed to a disk, and the record of which disk is damaged",
      {
        hint: `pull this stick out and start: if no disk starts as this device, put the stick back and type on it: rm -r ${paths.agentFolder} ${paths.moving}* && mv ${paths.hiddenAgent} ${paths.agentFolder} && reboot`,
      },
    );
  }
  await removeKept(paths.moving);
  return "stayed";
}

/** The hidden folder goes last: while it is there, a later boot does this again. */
async function forgetMoved(paths: Paths, agent: Owner): Promise<void> {
  await forgetDevice(paths, [paths.moving, copyOf(paths.moving), paths.hiddenAgent]);
  await removeFile(paths.machineId);
  await makeAgentFolder(paths, agent);
  await wipe(paths.hiddenAgent);
}

/** What the stick tells about an identity that has left it, or may have. */
export function problemOfMove(move: MoveOutcome): HamletError | undefined {
  switch (move) {
    case "none":
    case "stayed":
      return undefined;
    case "moved":
      return new HamletError(
        "install.moved",
        "this device lives on its internal disk now; nothing of it is left on this stick",
        { hint: "pull this stick out and restart; or provision the stick to make it another device" },
      );
    case "unclear":
      return new HamletError("install.unclear", "this device was being installed to a disk that is missing now", {
        hint: "connect that disk again and restart: one of the two will be this device",
      });
  }
}

async function makeAgentFolder({ agentFolder }: Paths, owner: Owner): Promise<void> {
  await using folder = await Folder.make(agentFolder, { mode: 0o700, owner });
  await folder.chown(owner);
  await folder.sync();
}

/** A rename is on the medium once both parent folders are synced. */
async function moveFolder(from: string, to: string): Promise<void> {
  await using here = await Folder.make(dirname(from));
  await using there = await Folder.make(dirname(to), { mode: 0o700 });
  await here.rename(basename(from), basename(to), there);
}
