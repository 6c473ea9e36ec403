// Writes hamlet/report.txt on the boot partition.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { errnoOf } from "../../system/error.ts";
import { reportBlockBytes } from "../handover/report.ts";
import type { Paths } from "./paths.ts";

/** In place, so that the FAT stays as it is, and only what differs, to spare the card. Does nothing without a boot partition. */
export async function writeCardReport(paths: Pick<Paths, "cardReport">, block: Buffer): Promise<void> {
  const { O_RDWR, O_CREAT } = constants;
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(paths.cardReport, O_RDWR | O_CREAT, 0o644);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(reportBlockBytes), 0, reportBlockBytes, 0);
    if (bytesRead === block.length && buffer.equals(block)) return;
    await file.write(block, 0, block.length, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}
