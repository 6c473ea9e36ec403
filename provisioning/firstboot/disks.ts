// Every disk of this computer, and which partition table it has: read from /sys and from the disks themselves.
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Paths } from "./paths.ts";

export type Disk = {
  /** What the hardware says of itself: serial number or world-wide name. */
  id: string;
  path: string;
  /** The GUID of a GPT whose header is whole; `blank` without one: nothing starts from it. */
  table: { guid: string } | "blank" | "unreadable";
};

/** Every disk of this computer. */
export async function readDisks(paths: Paths): Promise<Disk[]> {
  const names = await readdir(paths.blocks).catch((): string[] => []);
  const disks = names.filter((name) => !/^(loop|ram|zram|dm-|md|sr|fd|nbd)/.test(name) && !/boot\d+$/.test(name));
  return await Promise.all(
    disks.map(async (name) => {
      const path = join(paths.dev, name);
      return { id: await diskId(join(paths.blocks, name), name), path, table: await readTable(path) };
    }),
  );
}

async function diskId(folder: string, name: string): Promise<string> {
  for (const file of ["wwid", "device/wwid", "device/cid", "device/serial", "serial"]) {
    const text = (await readFile(join(folder, file), "utf8").catch(() => "")).trim();
    if (text) return text;
  }
  return name;
}

/** UEFI specification 5.3.2: the header in the second sector, its sum over 92 bytes at 16, the disk's GUID at 56. */
async function readTable(path: string): Promise<Disk["table"]> {
  try {
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
      const header = buffer.subarray(512, 604);
      if (bytesRead < 604 || header.toString("latin1", 0, 8) !== "EFI PART") return "blank";
      const sum = header.readUInt32LE(16);
      header.writeUInt32LE(0, 16);
      if (crc32(header) !== sum) return "blank";
      const field = (from: number, to: number) => Buffer.from(header.subarray(from, to));
      // The first three are little-endian on disk.
      const fields = [
        field(56, 60).reverse(),
        field(60, 62).reverse(),
        field(62, 64).reverse(),
        field(64, 66),
        field(66, 72),
      ];
      return { guid: fields.map((bytes) => bytes.toString("hex")).join("-") };
    } finally {
      await file.close();
    }
  } catch {
    return "unreadable";
  }
}
