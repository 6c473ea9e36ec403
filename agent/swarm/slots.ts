// What the slots hold, as a source for other members: a chunk is read at the place that the recipe of its release gives it, in whichever
// slot has it there. Its digest is checked before it is lent, so it does not matter which release a slot holds or how far one is written.
// Reading is paced (counter.ts) and has no I/O class of its own: Node reads files on threads that all of the agent shares, and of the 13 MB
// that are left of the agent's memory a thread for lending alone takes 12.8 (measured), a process 44.
import { hash } from "node:crypto";
import { withReader } from "../../image/disk/read-at.ts";
import type { ChunkPlaces } from "../../ota/format/chunk-places.ts";
import type { ObjectName } from "../../ota/format/unpack.ts";
import { makeBuckets } from "../../system/bucket.ts";
import type { Clock } from "../../system/clock.ts";
import { free } from "../../system/free.ts";

export type Slots = {
  /** The chunk as a repository has it, one zstd frame; undefined if no slot has it. `from`: the member that asks. Never throws. */
  chunk(name: ObjectName, from: string): Promise<Buffer | undefined>;
};
export type SlotsOptions = {
  /** Of the slots' root partitions. */
  paths: readonly string[];
  /** Of the release that other members want; undefined as long as this device does not know them. */
  places(): Promise<ChunkPlaces | undefined>;
  clock: Clock;
};

/** Of each member: reading what is not there keeps the disk busy for nothing, as often as somebody asks. */
const misses = { burst: 64, perSecond: 4 };
const maxSources = 4_096;
/** What the mesh saves costs processor time on a device that has other things to do. */
const level = 1;

export function makeSlots({ paths, places, clock }: SlotsOptions): Slots {
  let inOrder = [...paths];
  const missesOf = makeBuckets(misses, maxSources);

  async function read({ sha256, sizeBytes }: ObjectName, offset: number): Promise<Buffer | undefined> {
    for (const path of inOrder) {
      const bytes = await withReader(path, (readAt) => readAt(offset, sizeBytes)).catch(() => undefined);
      if (bytes?.length === sizeBytes && hash("sha256", bytes) === sha256) {
        inOrder = [path, ...inOrder.filter((one) => one !== path)];
        return bytes;
      }
      if (bytes) free(bytes);
    }
    return undefined;
  }

  return {
    async chunk(name, from) {
      const missing = missesOf(from);
      if (inOrder.length === 0 || missing.level(clock.monotonic()) < 1) return undefined;
      const offset = (await places())?.(name.sha256, name.sizeBytes);
      if (offset === undefined) return undefined;
      const bytes = await read(name, offset);
      if (!bytes) {
        missing.take();
        return undefined;
      }
      const { constants, zstdCompressSync } = await import("node:zlib");
      const frame = zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } });
      free(bytes);
      return frame;
    },
  };
}
