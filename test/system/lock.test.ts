import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { withLock } from "../../system/lock.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-lock-"));
  path = join(folder, "lock");
});
afterEach(() => rm(folder, { recursive: true }));

const busy = () => new Error("busy");
const atOnce = { waitMs: 0, busy };
const patient = { waitMs: 30_000, busy };
/** What a lock of this process says. */
const ours = () => withLock(path, atOnce, () => readFile(path, "utf8"));
async function goneProcess(): Promise<number> {
  const child = spawn("true");
  await once(child, "exit");
  return child.pid!;
}

test("one at a time works, the others wait for their turn, and nothing is left", async () => {
  let [inside, most, done] = [0, 0, 0];
  const work = async () => {
    most = Math.max(most, ++inside);
    await readdir(folder);
    inside--;
    done++;
  };
  await Promise.all(Array.from({ length: 5 }, () => withLock(path, patient, work)));
  expect([most, done, await readdir(folder)]).toEqual([1, 5, []]);
});

test("who finds no turn in time throws, and takes nobody's lock away", async () => {
  await withLock(path, atOnce, async () => {
    const held = await readFile(path, "utf8");
    await expect(withLock(path, atOnce, async () => {})).rejects.toThrow("busy");
    expect(await readFile(path, "utf8")).toBe(held);
  });
});

test("work that fails leaves no lock", async () => {
  await expect(withLock(path, atOnce, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await readdir(folder)).toEqual([]);
});

test("a lock that a full disk keeps from being written is nobody's afterwards", async () => {
  await using any = await open(join(folder, "any"), "w");
  const write = vi.spyOn(Object.getPrototypeOf(any), "writeFile");
  write.mockRejectedValueOnce(Object.assign(new Error("no space left"), { code: "ENOSPC" }));
  await expect(withLock(path, atOnce, async () => {})).rejects.toThrow("no space left");
  write.mockRestore();
  await withLock(path, atOnce, async () => {});
});

test("the lock of a process that is gone is taken over, by one of many", async () => {
  const [place, , last] = (await ours()).split(" ");
  await writeFile(path, `${place} ${await goneProcess()} ${last}`);
  let [inside, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++inside);
    await readdir(folder);
    inside--;
  };
  await Promise.all(Array.from({ length: 8 }, () => withLock(path, patient, work)));
  expect([most, await readdir(folder)]).toEqual([1, []]);
});

test("a lock of another computer or container stays, whatever its process number: it says nothing here", async () => {
  const [place, , last] = (await ours()).split(" ");
  for (const elsewhere of [`other${place}`, `${place}0`]) {
    const lock = `${elsewhere} ${await goneProcess()} ${last}`;
    await writeFile(path, lock);
    await expect(withLock(path, atOnce, async () => {})).rejects.toThrow("busy");
    expect(await readFile(path, "utf8")).toBe(lock);
  }
  // Being written.
  await writeFile(path, "");
  await expect(withLock(path, atOnce, async () => {})).rejects.toThrow("busy");
});

test("a lock from before this computer started again is taken over; one of a computer without an id is not", async () => {
  const [place = "", , last] = (await ours()).split(" ");
  const [computer, , numbering] = place.split("/");
  await writeFile(path, `${computer}/another-boot/${numbering} ${process.pid} ${last}`);
  const isOwn = /^[0-9a-f]{32}$/.test(computer!);
  if (isOwn) await withLock(path, atOnce, async () => {});
  else await expect(withLock(path, atOnce, async () => {})).rejects.toThrow("busy");
});

test("who was robbed of its lock removes no other's at its end", async () => {
  await withLock(path, atOnce, async () => {
    await writeFile(path, "somebody else's");
  });
  expect(await readFile(path, "utf8")).toBe("somebody else's");
});
