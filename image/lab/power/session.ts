// What a machine writes from power on to power off lies in a file over its disk, beside a log of every write and flush. So a power cut
// can give the disk what a real one would hold.
import { existsSync } from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { readerOf } from "../../disk/read-at.ts";
import { machineFiles } from "../machine/machine.ts";
import { type Cut, cutAfter } from "./cut.ts";
import { openDisk } from "./nbd.ts";
import { readWriteLog } from "./write-log.ts";

/** A piece of the log in memory; the protocol allows 32 MiB. */
const pieceBytes = 4 << 20;

/** Before a machine gets power. What one that ended by itself has written is kept. */
export async function beginSession(run: Run, folder: string, name: string): Promise<void> {
  await keepSession(run, folder, name);
  const { overlay, session, writes } = machineFiles(name);
  await run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", overlay, session], { cwd: folder });
  await writeFile(join(folder, writes), "", { mode: 0o600 });
}

/** The disk keeps all that the machine handed over. */
export async function keepSession(run: Run, folder: string, name: string): Promise<void> {
  const { session } = machineFiles(name);
  if (!existsSync(join(folder, session))) return;
  await run(["qemu-img", "commit", "-q", session], { cwd: folder, timeoutMs: 120_000 });
  await forgetSession(folder, name);
}

/** The disk gets what was flushed, and a choice of the rest. The machine's program must have ended. */
export async function cutSession(folder: string, name: string, seed: number): Promise<Omit<Cut, "pieces">> {
  const { overlay, writes } = machineFiles(name);
  await using log = await open(join(folder, writes), "r");
  const readAt = readerOf(log);
  const entries = await readWriteLog(readAt, (await log.stat()).size);
  const { pieces, ...cut } = cutAfter(entries, { seed });
  const disk = await openDisk(join(folder, overlay));
  try {
    for (const { offset, length, dataAt } of pieces) {
      for (let at = 0; at < length; at += pieceBytes) {
        await disk.write(offset + at, await readAt(dataAt + at, Math.min(pieceBytes, length - at)));
      }
    }
  } finally {
    await disk.close();
  }
  await forgetSession(folder, name);
  return cut;
}

export async function forgetSession(folder: string, name: string): Promise<void> {
  const { session, writes } = machineFiles(name);
  for (const file of [session, writes]) await rm(join(folder, file), { force: true });
}
