// Looks for the newest release: in the repositories that the agent fetches from, or in the folder that somebody named.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import type { Manifest } from "../format/manifest.ts";
import type { AgentDoor } from "./agent-door.ts";
import { raiseFloors } from "./floors.ts";
import { type FolderDoor, openFolderDoor } from "./folder-door.ts";
import type { UpdaterParts } from "./parts.ts";
import { refusalOf } from "./refusals.ts";
import type { Knowledge } from "./report.ts";

export type Found = {
  manifest: Manifest;
  /** Where its content comes from. */
  door: Pick<AgentDoor, "object" | "packed">;
  /** Why this device does not take it. */
  refusal: HamletError | undefined;
};

/** again: where the last search looked. */
export type Place = "repository" | "folder" | "again";

export function makeSearch(parts: UpdaterParts, known: Knowledge) {
  const { door, state, device, clock } = parts;
  /** The folder that the last search looked in. */
  let folder: FolderDoor | undefined;

  return async (place: Place): Promise<Found> => {
    switch (place) {
      case "repository":
        folder = undefined;
        return await find();
      case "folder":
        folder = openFolderDoor(await nameOf(parts));
        return await find().catch((error: unknown) => {
          // Reading it again changes nothing.
          throw error instanceof HamletError ? asFinal(error) : error;
        });
      case "again":
        return await find();
    }
  };

  async function find(): Promise<Found> {
    const { firstRoot, workIn } = parts;
    const floors = (await state.read("floors.json")) ?? { roles: {} };
    const clockS = Math.max(device.builtS, floors.clockS ?? 0);
    // A clock that no time server has set proves nothing: then only what was built before certainly is past.
    const nowMs = (await device.isClockSet()) ? Math.max(clock.now(), clockS * 1000) : clockS * 1000;
    const from = hash("sha256", firstRoot, "hex");
    const metadata = await state.read("metadata.json");
    // A device that was given another release root begins anew.
    const kept = metadata?.from === from ? metadata.files : undefined;
    const where = { door: folder ?? door, target: await folder?.target(device.board) };
    const how = { kept, firstRoot, floors: floors.roles, nowMs, workIn };
    const found = await parts.findNewest({ board: device.board, ...where, ...how });
    const next = { from, files: found.files };
    if (JSON.stringify(next) !== JSON.stringify(metadata)) await state.write("metadata.json", next);
    const { manifest } = found;
    const raised = {
      ...floors,
      clockS: Math.max(clockS, manifest.builtS),
      roles: raiseFloors(floors.roles, found.roles),
    };
    if (JSON.stringify(raised) !== JSON.stringify(floors)) await state.write("floors.json", raised);
    known.checkedAtMs = clock.now();
    known.newest = manifest.version;
    const refusal = refusalOf(manifest, {
      version: device.version,
      floor: floors.release,
      failed: known.history.failed,
      isDataLost: device.isDataLost,
    });
    return { manifest, door: folder ?? door, refusal };
  }
}

async function nameOf({ namedFolder }: UpdaterParts): Promise<string> {
  const path = await namedFolder();
  if (path !== undefined) return path;
  throw new HamletError("update.notThere", "nobody has named a folder to update from", {
    hint: "as root on the device: hamlet update install <folder>",
    exitCode: 3,
  });
}

const asFinal = ({ code, message, hint, cause }: HamletError) =>
  new HamletError(code, message, { ...(hint !== undefined && { hint }), exitCode: 3, cause });
