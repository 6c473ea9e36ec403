// The image that a device makes of itself: its boot partition and slots, a new data partition with its state, and a partition
// table with new GUIDs, so that the two disks differ from the first start on.
import { randomUUID } from "node:crypto";
import { open } from "node:fs/promises";
import { HamletError } from "../../system/error.ts";
import { headSectors, type Partition, sectorBytes, tailSectors, writeGpt } from "../disk/gpt.ts";
import { regionsOf } from "../flash/head.ts";
import { Buffers, pieceBytes } from "../flash/pieces.ts";
import type { ImageSource } from "../flash/source.ts";
import { type OwnDisk, readWhole } from "./own-disk.ts";

const mib = 1 << 20;

type DiskPlan = { guid: string; partitions: Partition[]; sizeBytes: number };

/** Like the running disk, except for the GUIDs and for `data`, which is as long as its content and grows later. */
export function planDisk(
  { gpt }: Pick<OwnDisk, "gpt">,
  dataBytes: number,
  newGuid = randomUUID as () => string,
): DiskPlan {
  const partitions = gpt.partitions.map((one) => ({
    ...one,
    guid: newGuid(),
    sectors: one.label === "data" ? dataBytes / sectorBytes : one.sectors,
  }));
  const end = Math.max(...partitions.map(({ firstSector, sectors }) => firstSector + sectors));
  const sizeBytes = Math.ceil(((end + tailSectors) * sectorBytes) / mib) * mib;
  return { guid: newGuid(), partitions, sizeBytes };
}

/** `dataPath` is the file system of the new data partition. */
export async function copyOf(disk: OwnDisk, plan: DiskPlan, dataPath: string): Promise<ImageSource> {
  const { head, tail } = writeGpt(plan.sizeBytes / sectorBytes, plan.guid, plan.partitions);
  const places = plan.partitions.map(({ label, firstSector, sectors }) => ({
    label,
    offset: firstSector * sectorBytes,
    sizeBytes: sectors * sectorBytes,
  }));
  if (head.length !== headSectors * sectorBytes) throw new RangeError("a table of another length");
  const data = await open(dataPath, "r");
  const fill = async (into: Buffer, at: number): Promise<void> => {
    const place = places.find(({ offset, sizeBytes }) => at >= offset && at < offset + sizeBytes);
    if (place?.label === "data") await readWhole(data, into, at - place.offset);
    else if (place && disk.used.has(place.label)) await disk.read(place.label, into, at - place.offset);
    else {
      into.fill(0);
      if (at === 0) head.copy(into);
      const tailAt = plan.sizeBytes - tail.length - at;
      if (tailAt >= 0 && tailAt < into.length) tail.copy(into, tailAt);
    }
  };
  return {
    name: disk.path,
    image: { ...disk.image, sizeBytes: plan.sizeBytes },
    regions: regionsOf(places, plan.sizeBytes),
    async *pieces({ cuts, only, signal }) {
      if (only) throw new HamletError("install.unsupported", "a device's copy of itself has no map");
      const buffers = new Buffers(4);
      for (let at = 0; at < plan.sizeBytes; ) {
        signal?.throwIfAborted();
        const cut = cuts.find((one) => one > at) ?? plan.sizeBytes;
        const buffer = await buffers.take();
        const bytes = buffer.subarray(0, Math.min(cut, at + pieceBytes, plan.sizeBytes) - at);
        await fill(bytes, at);
        yield { offset: at, bytes, release: () => buffers.give(buffer) };
        at += bytes.length;
      }
    },
    close: () => data.close(),
  };
}
