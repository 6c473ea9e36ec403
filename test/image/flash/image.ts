// An image of 12 MiB with every case that flash distinguishes: an EFI partition, a slot of unknown content, an empty slot, and
// a data partition that begins with zeros.
import { readFile, rm, writeFile } from "node:fs/promises";
import { espType, guidOf, linuxType, sectorBytes, writeGpt } from "../../../image/disk/gpt.ts";
import { type DiskOptions, makeDisk } from "../disk/disk.ts";

const mib = 1 << 20;
export const imageBytes = 12 * mib;
export const places = { esp: 1 * mib, rootA: 3 * mib, rootB: 5 * mib, data: 8 * mib, end: 11 * mib };

export async function makeImage(path: string, options: DiskOptions = {}): Promise<Buffer> {
  const facts = typeof options.image === "string" ? options.image : { sizeBytes: imageBytes, ...options.image };
  await makeDisk(`${path}.small`, { ...options, image: facts });
  const image = Buffer.alloc(imageBytes);
  (await readFile(`${path}.small`)).copy(image, places.esp, places.esp, places.rootA);
  await rm(`${path}.small`);
  for (let at = places.rootA; at < places.rootB; at += 4) image.writeUInt32LE((at * 2654435761) >>> 0, at);
  image.fill("state", places.data + 2 * mib, places.data + 2 * mib + 8192);
  const partition = (label: string, from: number, to: number) => ({
    label,
    type: label === "esp" ? espType : linuxType,
    guid: guidOf(label),
    firstSector: from / sectorBytes,
    sectors: (to - from) / sectorBytes,
  });
  const { head, tail } = writeGpt(imageBytes / sectorBytes, guidOf("test image"), [
    partition("esp", places.esp, places.rootA),
    partition("root-a", places.rootA, places.rootB),
    partition("root-b", places.rootB, places.data),
    partition("data", places.data, places.end),
  ]);
  head.copy(image, 0);
  tail.copy(image, imageBytes - tail.length);
  await writeFile(path, image);
  return image;
}
