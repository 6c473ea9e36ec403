// The files of a release on a stick, by their path in a repository: in a folder, or in one file.
import { basename, dirname, join } from "node:path";
import { readFrom } from "../../provisioning/handover/files.ts";
import { Folder, type Pieces } from "../../provisioning/handover/folder.ts";
import { type Index, indexArchive } from "./archive-index.ts";

export type ReleaseFiles = {
  /** Undefined if there is none. Throws for what is no regular file, or longer. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>;
  /** The names in a folder; none for what is no folder. */
  names(folder: string): Promise<string[]>;
};

/** Nobody puts more releases on a stick. */
const maxNames = 10_000;

export const filesInFolder = (folder: string): ReleaseFiles => ({
  read: (path, maxBytes) => readFrom(join(folder, path), maxBytes),
  async names(path) {
    await using found = await Folder.open(join(folder, path)).catch(() => undefined);
    const names: string[] = [];
    for await (const { name } of found?.entries() ?? []) if (names.push(name) === maxNames) break;
    return names;
  },
});

/** Undefined for what is no regular file. Throws for one that `hamlet ota export` has not written. */
export async function filesInArchive(path: string): Promise<ReleaseFiles | undefined> {
  const inFile = async <T>(use: (file: Pieces) => Promise<T>): Promise<T | undefined> => {
    await using folder = await Folder.open(dirname(path));
    return await folder?.inPieces(basename(path), use);
  };
  let index: Index | undefined;
  if (await isFile(path)) index = await inFile(indexArchive);
  if (!index) return undefined;
  const { find, names } = index;
  return {
    async read(name, maxBytes) {
      const place = find(name);
      if (!place) return undefined;
      if (place.length > maxBytes) throw new RangeError(`it has more than ${maxBytes} bytes`);
      // Opened for each read, so that the stick can be taken away.
      return await inFile(async (file) => {
        const bytes = await file.read(place.offset, place.length);
        if (bytes.length === place.length) return bytes;
        throw new RangeError("the file is shorter than before");
      });
    },
    names: async (folder) => names(folder),
  };
}

async function isFile(path: string): Promise<boolean> {
  await using folder = await Folder.open(dirname(path)).catch(() => undefined);
  return ((await folder?.sizeOf(basename(path))) ?? 0) > 0;
}
