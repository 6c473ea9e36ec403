// Logs by QEMU itself, and by hand for what QEMU never writes but Linux's dm-log-writes does.
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readerOf } from "../../../../image/disk/read-at.ts";
import { type LogEntry, readWriteLog } from "../../../../image/lab/power/write-log.ts";
import { lacks } from "../../../lacks.ts";
import { driveDisk } from "./drive-disk.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-write-log-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function read(path: string): Promise<LogEntry[]> {
  await using file = await open(path, "r");
  return await readWriteLog(readerOf(file), (await file.stat()).size);
}

test.skipIf(lacks("qemu-img", "qemu-io"))(
  "QEMU's log says in order what a machine wrote, flushed and discarded",
  async () => {
    const log = await driveDisk(folder, [
      "write -P 1 0 8k",
      "flush",
      "write -z 1M 64k",
      "discard 2M 64k",
      "write -f -P 3 4k 1k",
    ]);
    const write = (offset: number, length: number, dataAt: number) => ({
      ...{ kind: "write", offset, length, dataAt },
      isThrough: false,
    });
    expect((await read(log)).slice(0, 6)).toEqual([
      write(0, 8 << 10, 1024),
      { kind: "flush", at: expect.any(Number) },
      write(1 << 20, 64 << 10, 1024 + (8 << 10) + 1024),
      { kind: "discard", offset: 2 << 20, length: 64 << 10 },
      write(4 << 10, 1 << 10, 1024 + (8 << 10) + 1024 + (64 << 10) + 1024),
      { kind: "flush", at: expect.any(Number) },
    ]);
  },
);

test.skipIf(lacks("qemu-img", "qemu-io"))(
  "a log whose writer was killed is read up to its last whole entry",
  async () => {
    const log = await driveDisk(folder, ["write -P 1 0 8k", "flush", "write -P 2 0 8k"]);
    const whole = await read(log);
    const second = whole.findLast(({ kind }) => kind === "write");
    await truncate(log, (second as { dataAt: number }).dataAt + 100);
    expect(await read(log)).toEqual(whole.slice(0, 2));
  },
);

/** A log with these entries: sector, sectors, flags, and whether data follows. */
async function logOf(entries: [sector: number, sectors: number, flags: number, hasData?: boolean][]): Promise<string> {
  const superblock = Buffer.alloc(512);
  superblock.writeBigUInt64LE(0x6a736677736872n, 0);
  superblock.writeBigUInt64LE(1n, 8);
  superblock.writeUInt32LE(512, 24);
  const parts = entries.map(([sector, sectors, flags, hasData = true]) => {
    const bytes = Buffer.alloc(512 + (hasData ? sectors * 512 : 0));
    for (const [at, value] of [sector, sectors, flags].entries()) bytes.writeBigUInt64LE(BigInt(value), at * 8);
    return bytes;
  });
  const path = join(folder, "by-hand");
  await writeFile(path, Buffer.concat([superblock, ...parts]));
  return path;
}

test("a request that flushes and writes through is a flush before a write that is not lost", async () => {
  const entries = await read(
    await logOf([
      [8, 1, 1 | 2],
      [0, 0, 8],
      [16, 1, 16],
    ]),
  );
  expect(entries).toEqual([
    { kind: "flush", at: 512 },
    { kind: "write", offset: 4096, length: 512, dataAt: 1024, isThrough: true },
    { kind: "write", offset: 8192, length: 512, dataAt: 2560, isThrough: false },
  ]);
});

test("reading stops at a head that cannot be one, and at a hole", async () => {
  for (const bad of [
    [1, 1, 64],
    [0, 0, 0],
    [2 ** 52, 2 ** 52, 0, false],
    [0, 2 ** 30, 0, false],
  ] as const) {
    expect(await read(await logOf([[0, 1, 0], [...bad], [1, 1, 0]]))).toHaveLength(1);
  }
});

test("an empty log has no entries; another file is refused", async () => {
  const path = join(folder, "log");
  await writeFile(path, "");
  expect(await read(path)).toEqual([]);
  await writeFile(path, "not a log of writes, but long enough to be one".repeat(20));
  await expect(read(path)).rejects.toMatchObject({ code: "lab.machineRefused" });
});
