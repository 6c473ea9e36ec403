// Lists the disks of this computer with their partition tables, from /sys and from the disks themselves.
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gptHeaderBytes, gptHeaderOffset, readGptHeader } from "../../system/gpt-header.ts";
import type { Paths } from "./paths.ts";

export type Disk = {
  /** Serial number or world-wide name by the hardware. */
  id: string;
  path: string;
  /** The GUID of a valid GPT header; `blank` without one, when nothing can start from the disk. */
  table: { guid: string } | "blank" | "unreadable";
};

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

async function readTable(path: string): Promise<Disk["table"]> {
  try {
    await using file = await open(path, "r");
    const { buffer, bytesRead } = await file.read(Buffer.alloc(gptHeaderBytes), 0, gptHeaderBytes, gptHeaderOffset);
    const header = readGptHeader(buffer.subarray(0, bytesRead));
    return header ? { guid: header.guid } : "blank";
  } catch {
    return "unreadable";
  }
}
