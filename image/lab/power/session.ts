// What a machine writes from power on to power off lies in a file over its disk, beside a log of every write and flush. So a power cut
// can give the disk what a real one would hold.
import { existsSync } from "node:fs";
import { open, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Run } from "../../../system/command.ts";
import { readerOf } from "../../disk/read-at.ts";
import { machineFiles } from "../machine/machine.ts";
import type { Qmp } from "../machine/qmp.ts";
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

/** Pauses a machine whose power is about to be cut. Returns where the flushes begin that are not the machine's own. */
export async function pauseForCut(qmp: Qmp, folder: string, name: string): Promise<number> {
  const flushesBefore = await countFlushes(qmp);
  const { size } = await stat(join(folder, machineFiles(name).writes));
  // QEMU finishes what it has begun, so that the log has no gaps. Then it flushes, which no disk does when its power ends.
  await qmp("stop");
  // If the machine flushed in this moment too, nobody knows whose flush is the last: then it counts.
  return (await countFlushes(qmp)) === flushesBefore ? size : Number.POSITIVE_INFINITY;
}

const BlockStats = z.array(z.object({ device: z.string(), stats: z.object({ flush_operations: z.int() }) }));

/** How many flushes of the machine are done. */
async function countFlushes(qmp: Qmp): Promise<number> {
  const stats = BlockStats.parse(await qmp("query-blockstats"));
  return stats.find(({ device }) => device === "disk")?.stats.flush_operations ?? 0;
}

/**
 * The disk gets what was flushed, and a choice of the rest. The machine's program must have ended. `ownUntil`: flushes from this
 * place of the log on are not the machine's own.
 */
export async function cutSession(
  folder: string,
  name: string,
  { seed, ownUntil = Number.POSITIVE_INFINITY }: { seed: number; ownUntil?: number },
): Promise<Omit<Cut, "pieces">> {
  const { overlay, writes } = machineFiles(name);
  await using log = await open(join(folder, writes), "r");
  const readAt = readerOf(log);
  const entries = await readWriteLog(readAt, (await log.stat()).size);
  const own = entries.filter((entry) => entry.kind !== "flush" || entry.at < ownUntil);
  const { pieces, ...cut } = cutAfter(own, { seed });
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
