// A disk over several power cuts, used by QEMU's own tools.
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withReader } from "../../../../image/disk/read-at.ts";
import { machineFiles } from "../../../../image/lab/machine/machine.ts";
import { openDisk } from "../../../../image/lab/power/nbd.ts";
import { cutSession, keepSession } from "../../../../image/lab/power/session.ts";
import { readWriteLog } from "../../../../image/lab/power/write-log.ts";
import { run } from "../../../../system/command.ts";
import { lacks } from "../../../lacks.ts";
import { driveDisk, sectorsOf } from "./drive-disk.ts";

const needs = lacks("qemu-img", "qemu-io", "qemu-nbd", "setpriv");
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-session-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** qemu-io flushes when it ends; the log is cut off before that. */
const unflushed = ["flush", ...Array.from({ length: 8 }, (_, at) => `write -P ${at + 10} ${at}k 1k`)];

test.skipIf(needs)(
  "after a cut the disk holds what was flushed, and a part of the rest that depends on the seed alone",
  async () => {
    const disks = [];
    for (const seed of [3, 3, 4]) {
      await rm(join(folder, machineFiles("attic").overlay), { force: true });
      await driveDisk(folder, ["write -P 1 0 8k", ...unflushed]);
      await dropLastFlush();
      const cut = await cutSession(folder, "attic", { seed });
      expect(cut).toMatchObject({ flushedWrites: 1 });
      expect(cut.whole + cut.torn + cut.lost).toBe(8);
      const disk = sectorsOf(folder, 16);
      for (const [index, byte] of disk.entries()) expect([1, 10 + Math.floor(index / 2)]).toContain(byte);
      disks.push(disk);
    }
    expect(disks[0]).toEqual(disks[1]);
    expect(disks[0]).not.toEqual(disks[2]);
    expect(await readdir(folder)).not.toContain(machineFiles("attic").session);
  },
);

test.skipIf(needs)("a flush that QEMU itself made at the end saves nothing", async () => {
  await driveDisk(folder, ["write -P 1 0 8k", ...unflushed]);
  const [path, size] = [join(folder, machineFiles("attic").writes), await endOfWrites()];
  expect((await stat(path)).size).toBeGreaterThan(size);
  const cut = await cutSession(folder, "attic", { seed: 3, ownUntil: size });
  expect([cut.flushedWrites, cut.lost > 0]).toEqual([1, true]);
});

test.skipIf(needs)("a disk that keeps all, and one whose machine ended by itself, lose nothing", async () => {
  await driveDisk(folder, ["write -P 1 0 4k"]);
  await keepSession(run, folder, "attic");
  expect(sectorsOf(folder, 9)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0]);
  await driveDisk(folder, ["write -P 2 0 1k"]);
  // The next session begins without anybody having ended this one.
  await driveDisk(folder, ["write -P 3 2k 1k"]);
  await keepSession(run, folder, "attic");
  expect(sectorsOf(folder, 9)).toEqual([2, 2, 1, 1, 3, 3, 1, 1, 0]);
});

test.skipIf(needs)("a write longer than a message and one behind the end of the disk", async () => {
  await driveDisk(folder, []);
  await keepSession(run, folder, "attic");
  const disk = await openDisk(join(folder, machineFiles("attic").overlay));
  await disk.write(1 << 20, Buffer.alloc(3 << 20, 7));
  await expect(disk.write(8 << 20, Buffer.alloc(512))).rejects.toMatchObject({ code: "lab.machineRefused" });
  await disk.close();
  expect(sectorsOf(folder, 8192).filter((byte) => byte === 7)).toHaveLength(6144);
  await writeFile(join(folder, "broken"), "no qcow2");
  await expect(openDisk(join(folder, "broken"))).rejects.toMatchObject({ code: "lab.machineRefused" });
});

/** Ends the log where QEMU would have been killed: before the flushes of its orderly end. */
async function dropLastFlush(): Promise<void> {
  await truncate(join(folder, machineFiles("attic").writes), await endOfWrites());
}

async function endOfWrites(): Promise<number> {
  const path = join(folder, machineFiles("attic").writes);
  const { size } = await stat(path);
  const entries = await withReader(path, (readAt) => readWriteLog(readAt, size));
  const last = entries.findLast((entry) => entry.kind === "write");
  return last!.dataAt + last!.length;
}
