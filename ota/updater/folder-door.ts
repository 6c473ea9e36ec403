// A release in a folder or a file, on a stick for example: what `hamlet ota export` wrote, with the layout of a repository. The updater
// reads it itself, without agent or network, and believes nothing in it that is not signed or named by something signed.
import { join } from "node:path";
import { compareVersions } from "../../image/boot/versions.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { manifestName, newestName, objectPath, targetsFolder } from "../format/names.ts";
import { maxFrameBytes, unpackObject } from "../format/unpack.ts";
import type { AgentDoor } from "./agent-door.ts";
import { filesInArchive, filesInFolder, type ReleaseFiles } from "./release-files.ts";

export type FolderDoor = Pick<AgentDoor, "file" | "object" | "packed"> & {
  /** TUF's name of the newest manifest for the board that the folder holds. Throws `update.notThere` or `update.wrongBoard`. */
  target(board: string): Promise<string>;
};

/** Throws `ota.damaged` for a file of another form. */
export async function openNamedDoor(path: string): Promise<FolderDoor> {
  const files = await filesInArchive(path).catch((cause: unknown) => {
    throw damagedAt(path, cause);
  });
  return files ? makeDoor(path, files) : openFolderDoor(path);
}

export const openFolderDoor = (folder: string): FolderDoor => makeDoor(folder, filesInFolder(folder));

function makeDoor(folder: string, files: ReleaseFiles): FolderDoor {
  const notThere = (path: string) =>
    new HamletError("update.notThere", `${join(folder, path)} is not there`, {
      hint: "name what `hamlet ota export` wrote, below /mnt or /media: the updater sees neither /tmp nor /home nor /root",
      exitCode: 3,
    });
  const damaged = (path: string, cause: unknown) => damagedAt(join(folder, path), cause);
  const read = async (path: string, maxBytes: number): Promise<Buffer> => {
    const bytes = await files.read(path, maxBytes).catch((cause: unknown) => {
      throw damaged(path, cause);
    });
    if (bytes) return bytes;
    throw notThere(path);
  };
  return {
    file: read,
    async object(ref) {
      const path = objectPath(ref.sha256);
      const frame = await read(path, maxFrameBytes(ref.sizeBytes));
      return unpackObject(frame, ref).catch((cause: unknown) => {
        throw damaged(path, cause);
      });
    },
    async packed() {
      // Chunks cost nothing here, and every export holds all of them.
      throw new HamletError("update.noRanges", "a folder is read chunk by chunk");
    },
    async target(board) {
      const versions = (await files.names(`${targetsFolder}/${board}`)).flatMap(versionIn);
      const [newest] = versions.toSorted((a, b) => -compareVersions(a, b));
      if (versions.includes("newest")) return newestName(board);
      if (newest !== undefined) return manifestName(board, newest);
      const others = await files.names(targetsFolder);
      if (others.length === 0) throw notThere(targetsFolder);
      throw new HamletError("update.wrongBoard", `${folder} has releases for ${others.join(", ")}, not for ${board}`, {
        hint: `export one with: hamlet ota export newest --board ${board} --folder <folder> -o <folder>`,
        exitCode: 3,
      });
    },
  };
}

const versionIn = (name: string): string[] => /^[0-9a-f]{64}\.(.{1,64})\.json$/.exec(name)?.slice(1, 2) ?? [];

const damagedAt = (path: string, cause: unknown) =>
  new HamletError("ota.damaged", `${path} cannot be used: ${describeError(cause)}`, {
    hint: "export the release again: hamlet ota export newest --board <board> --folder <folder> -o <folder>",
    exitCode: 3,
    cause,
  });
