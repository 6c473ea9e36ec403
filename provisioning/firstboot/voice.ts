// Root's own words while there is no agent yet: a line on each console, and the report on the boot partition.
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../system/error.ts";
import { reportBlockBytes } from "../handover/report.ts";
import type { Paths } from "./paths.ts";

/** One line on every console that the kernel writes to. A console that takes none changes nothing. */
export async function sayOnConsoles(paths: Paths, line: string): Promise<void> {
  const active = await readFile(paths.activeConsoles, "utf8").catch(() => "");
  const names = active.split(/\s+/).filter((name) => /^[A-Za-z]+[0-9]+$/.test(name));
  for (const name of names) {
    // tty0 is whichever screen is in front.
    await sayOn(join(paths.dev, name === "tty0" ? "tty1" : name), line).catch(() => {});
  }
}

async function sayOn(path: string, line: string): Promise<void> {
  // NOCTTY: the terminal would become ours, and be hung up when we end.
  const { O_WRONLY, O_APPEND, O_NOCTTY, O_NONBLOCK } = constants;
  const console = await open(path, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK);
  try {
    await console.write(`${line.replaceAll(/[^ -~]/g, "?").slice(0, 200)}\n`);
  } finally {
    await console.close();
  }
}

/** In place, and only if it differs: the FAT stays as it is and the card is spared. Without a boot partition there is no report. */
export async function putReport(paths: Paths, block: Buffer): Promise<void> {
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
