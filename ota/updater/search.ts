// Looks for the newest release: in the repositories that the agent fetches from, or in the folder or file that somebody named.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import type { Manifest } from "../format/manifest.ts";
import { manifestName } from "../format/names.ts";
import type { AgentDoor } from "./agent-door.ts";
import { raiseFloors } from "./floors.ts";
import { type FolderDoor, openNamedDoor } from "./folder-door.ts";
import { type Answer, follows } from "./metadata.ts";
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
  /** What somebody named, if the last search looked there. */
  let folder: FolderDoor | undefined;

  const targetOf = async (version: string | undefined) =>
    folder ? folder.target(device.board) : version && manifestName(device.board, version);

  /** `version`: the release to look for in the repository; by default the newest. */
  return async (place: Place, version?: string): Promise<Found> => {
    switch (place) {
      case "repository":
        folder = undefined;
        return await find(version);
      case "folder":
        folder = await openNamedDoor(await nameOf(parts));
        return await find(undefined).catch((error: unknown) => {
          // Reading it again changes nothing.
          throw error instanceof HamletError ? asFinal(error) : error;
        });
      case "again":
        return await find(version);
    }
  };

  async function find(version: string | undefined): Promise<Found> {
    const { firstRoot, workIn } = parts;
    const floors = (await state.read("floors.json")) ?? { roles: {} };
    const clockS = Math.max(device.builtS, floors.clockS ?? 0);
    // A clock that no time server has set proves nothing: then only what was built before certainly is past.
    const nowMs = (await device.isClockSet()) ? Math.max(clock.now(), clockS * 1000) : clockS * 1000;
    const from = hash("sha256", firstRoot, "hex");
    const metadata = await state.read("metadata.json");
    // A device that was given another release root begins anew. One that a newer image brings may be older than what the device knows, and
    // beginning with it would believe keys that were stolen and replaced since.
    const isKnown = metadata && (metadata.from === from || follows(firstRoot, metadata.files["root.json"]));
    const kept = isKnown ? metadata.files : undefined;
    const where = { door: folder ?? door, target: await targetOf(version) };
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
    learnRoot(known, manifest);
    if (version === undefined) learnNewest(known, found);
    else if (manifest.version !== version) throw misnamed(version, manifest.version);
    const refusal = refusalOf(manifest, {
      version: device.version,
      floor: floors.release,
      failed: known.history.failed,
      isDataLost: device.isDataLost,
    });
    return { manifest, door: folder ?? door, refusal };
  }
}

function learnNewest(known: Knowledge, { manifest: { version: release, rollout: policy }, roles }: Answer): void {
  known.newest = release;
  known.auto = policy && { release, policy, publisher: roles["root"]!.keys };
}

const mostVerified = 4;

/** Others of this board are to run the same. */
export function learnRoot(known: Knowledge, { version, verity: { rootHash } }: Manifest): void {
  const others = known.verified.filter((one) => one.version !== version);
  known.verified = [{ version, rootHash }, ...others].slice(0, mostVerified);
}

const misnamed = (version: string, found: string) =>
  new HamletError("update.badManifest", `the manifest of release ${version} says ${found}`, {
    hint: "the publisher has to publish the release again",
  });

async function nameOf({ namedFolder }: UpdaterParts): Promise<string> {
  const path = await namedFolder();
  if (path !== undefined) return path;
  throw new HamletError("update.notThere", "nobody has named a folder or file to update from", {
    hint: "as root on the device: hamlet update install <path>",
    exitCode: 3,
  });
}

const asFinal = ({ code, message, hint, cause }: HamletError) =>
  new HamletError(code, message, { ...(hint !== undefined && { hint }), exitCode: 3, cause });
