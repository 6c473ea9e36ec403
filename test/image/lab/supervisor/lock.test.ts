import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockHolder, takeLock } from "../../../../image/lab/supervisor/lock.ts";

let folder = "";
let path = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-lock-"));
  path = join(folder, "lock");
});
afterEach(() => rm(folder, { recursive: true }));

test("the first process gets the lock, the second learns who has it", async () => {
  expect(await takeLock(path)).toBeUndefined();
  expect(await takeLock(path)).toBe(process.pid);
  expect(await lockHolder(path)).toBe(process.pid);
});

test("the lock of a dead process is taken over", async () => {
  const child = spawn("sleep", ["1000"]);
  await once(child, "spawn");
  expect(await takeLock(path, child.pid!)).toBeUndefined();
  expect(await takeLock(path)).toBe(child.pid);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await lockHolder(path)).toBeUndefined();
  expect(await takeLock(path)).toBeUndefined();
});

test("a process that merely has the dead one's process id does not hold the lock", async () => {
  await takeLock(path);
  const holder = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify({ ...holder, startTicks: "1" }));
  expect(await takeLock(path)).toBeUndefined();
});

test("a lock from an earlier boot and an unreadable lock are stale", async () => {
  await takeLock(path);
  const holder = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify({ ...holder, bootId: "another" }));
  expect(await lockHolder(path)).toBeUndefined();
  await writeFile(path, "\0\0\0");
  expect(await takeLock(path)).toBeUndefined();
});

test("of many processes that find a stale lock, exactly one gets it, and no other file is left", async () => {
  await writeFile(path, "stale");
  const children = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const child = spawn("sleep", ["1000"]);
      await once(child, "spawn");
      return child;
    }),
  );
  const results = await Promise.all(children.map((child) => takeLock(path, child.pid!)));
  expect(results.filter((holder) => holder === undefined)).toHaveLength(1);
  expect(await readdir(folder)).toEqual(["lock"]);
  for (const child of children) child.kill("SIGKILL");
});
