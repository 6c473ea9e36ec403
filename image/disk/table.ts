// Reads the partition table of an untrusted disk or image, GPT or MBR.

import { espType, headSectors, readGpt, sectorBytes } from "./gpt.ts";
import { mbrTypes, readMbr } from "./mbr.ts";
import type { ReadAt } from "./read-at.ts";

type TablePartition = {
  number: number;
  /** As in a PARTUUID. */
  id: string;
  /** A GPT names its partitions, an MBR does not. */
  label?: string;
  firstSector: number;
  sectors: number;
  isFat: boolean;
};
type Table = {
  kind: "gpt" | "mbr";
  /** The size of the disk, if the table has it. */
  diskSectors?: number;
  partitions: TablePartition[];
};

export async function readTable(readAt: ReadAt): Promise<Table | undefined> {
  const gpt = readGpt(await readAt(0, headSectors * sectorBytes));
  if (gpt) {
    const partitions = gpt.partitions.map(
      ({ label, guid, type, firstSector, sectors }, index): TablePartition => ({
        number: index + 1,
        id: guid,
        label,
        firstSector,
        sectors,
        isFat: type === espType,
      }),
    );
    return { kind: "gpt", diskSectors: gpt.diskSectors, partitions };
  }
  const mbr = await readMbr(readAt);
  if (!mbr) return undefined;
  const partitions = mbr.partitions
    .filter(({ type }) => type !== mbrTypes.extended)
    .map(
      ({ number, type, firstSector, sectors }): TablePartition => ({
        number,
        id: `${mbr.signature}-${number.toString(16).padStart(2, "0")}`,
        firstSector,
        sectors,
        isFat: type === mbrTypes.fat16 || type === mbrTypes.fat32,
      }),
    );
  return { kind: "mbr", partitions };
}
