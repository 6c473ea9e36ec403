// The content of an older release, remade from the repository's chunks: what a device has in its slot, zeros in the places.
import type { Manifest, PartName } from "../format/manifest.ts";
import type { Objects } from "./objects.ts";
import type { Chunk } from "./recipes.ts";
import { readChunks } from "./releases.ts";

type Range = { part: PartName; offset: number; length: number };
export type OlderRelease = {
  rootHash: string;
  version: string;
  chunks: Chunk[];
  /** 0 for a part that it does not have. */
  sizeOf(part: PartName): number;
  /** Throws `ota.damaged`. */
  read(range: Range): Promise<Buffer>;
};

/** Neighboring dictionaries overlap, so that the last chunks are wanted again. */
const keptChunks = 32;

export async function openOlder(objects: Objects, manifest: Manifest): Promise<OlderRelease> {
  const chunks = await readChunks(objects, manifest);
  const byPart = Map.groupBy(chunks, ({ part }) => part);
  const kept = new Map<string, Promise<Buffer>>();
  const contentOf = ({ sha256, length }: Chunk): Promise<Buffer> => {
    const content = kept.get(sha256) ?? objects.read(sha256, length);
    // The last used is the last in the map.
    kept.delete(sha256);
    kept.set(sha256, content);
    if (kept.size > keptChunks) kept.delete(kept.keys().next().value!);
    return content;
  };
  return {
    rootHash: manifest.verity.rootHash,
    version: manifest.version,
    chunks,
    sizeOf: (part) => manifest.parts.find(({ name }) => name === part)?.sizeBytes ?? 0,
    async read({ part, offset, length }) {
      const end = offset + length;
      const wanted = (byPart.get(part) ?? []).filter((one) => one.offset < end && one.offset + one.length > offset);
      const pieces = await Promise.all(wanted.map(contentOf));
      const first = wanted[0]?.offset ?? 0;
      return Buffer.concat(pieces).subarray(offset - first, end - first);
    },
  };
}
