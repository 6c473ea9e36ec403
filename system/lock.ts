// One command at a time writes to a folder: a file in it names the process that does. The folder may be on a disk that several computers
// or containers share, where a process number says nothing: only a lock of this computer is taken over, once its process is gone.
import { randomBytes } from "node:crypto";
import { link, open, readFile, readlink, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { sleep } from "./clock.ts";
import { errnoOf } from "./error.ts";

const pollMs = 50;
const machineId = /^[0-9a-f]{32}$/;

/** `waitMs`: how long others may take. `busy`: what to throw then. */
export type Locking = { waitMs: number; busy(): Error };

export async function withLock<T>(path: string, { waitMs, busy }: Locking, work: () => Promise<T>): Promise<T> {
  const place = await thisPlace();
  // The last word makes each lock another, so that nobody removes one that is not its own.
  const own = `${place} ${process.pid} ${randomBytes(8).toString("hex")}`;
  const deadline = performance.now() + waitMs;
  while (!(await take(path, own, place))) {
    if (performance.now() >= deadline) throw busy();
    await sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    if ((await textOf(path)) === own) await rm(path, { force: true });
  }
}

async function take(path: string, own: string, place: string): Promise<boolean> {
  if (await create(path, own)) return true;
  const found = await textOf(path);
  if (found === undefined || !isLeft(found, place)) return false;
  await putAside(path, found);
  return await create(path, own);
}

async function create(path: string, own: string): Promise<boolean> {
  const file = await open(path, "wx", 0o644).catch((error: unknown) => {
    if (errnoOf(error) !== "EEXIST") throw error;
  });
  if (!file) return false;
  try {
    await file.writeFile(own);
  } catch (error) {
    // On a full disk. An empty lock would stay for ever, because it is nobody's.
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return true;
}

/** Of two that find it left, one may have put it aside already, and what is there now is a lock. */
async function putAside(path: string, left: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    await rename(path, aside);
    if ((await textOf(aside)) !== left) await link(aside, path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "EEXIST") throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** Whether its process was on this computer and is gone. An empty one is being written. */
function isLeft(lock: string, place: string): boolean {
  const [where = "", pid = ""] = lock.split(" ");
  if (!/^[1-9][0-9]*$/.test(pid)) return false;
  const [computer, boot] = where.split("/");
  const [ownComputer, ownBoot] = place.split("/");
  // It has started again since. Without an id of its own it may be another of the same name.
  if (machineId.test(ownComputer!) && computer === ownComputer && boot !== ownBoot) return true;
  if (where !== place) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return errnoOf(error) === "ESRCH";
  }
}

/** This computer, since when it runs, and how it numbers processes: those of a container have numbers of their own. */
async function thisPlace(): Promise<string> {
  const id = await readFile("/etc/machine-id", "utf8").catch(() => "");
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  const numbering = await readlink("/proc/self/ns/pid").catch(() => "");
  const computer = machineId.test(id.trim()) ? id : `host ${hostname()}`;
  return [computer, boot, numbering].map((part) => part.trim().replaceAll(/\s/g, "-")).join("/");
}

const textOf = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined);
