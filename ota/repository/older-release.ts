// Where the content of an older release lies: in the repository's chunks, which hold what a device has in its slot, zeros in the places.
import type { Manifest, PartName } from "../format/manifest.ts";
import type { Objects } from "./objects.ts";
import type { Chunk } from "./recipes.ts";
import { readChunks } from "./releases.ts";
import type { Source } from "./source.ts";

type Range = { part: PartName; offset: number; length: number };
export type OlderRelease = {
  rootHash: string;
  version: string;
  chunks: Chunk[];
  /** 0 for a part that it does not have. */
  sizeOf(part: PartName): number;
  sourceOf(range: Range): Source;
};

export async function openOlder(objects: Objects, manifest: Manifest): Promise<OlderRelease> {
  const chunks = await readChunks(objects, manifest);
  const byPart = Map.groupBy(chunks, ({ part }) => part);
  return {
    rootHash: manifest.verity.rootHash,
    version: manifest.version,
    chunks,
    sizeOf: (part) => manifest.parts.find(({ name }) => name === part)?.sizeBytes ?? 0,
    sourceOf({ part, offset, length }) {
      const end = offset + length;
      const wanted = (byPart.get(part) ?? []).filter((one) => one.offset < end && one.offset + one.length > offset);
      return {
        kind: "objects",
        objects: wanted.map((one) => ({ path: objects.pathOf(one.sha256), sha256: one.sha256, length: one.length })),
        offset: offset - (wanted[0]?.offset ?? offset),
        length,
      };
    },
  };
}
