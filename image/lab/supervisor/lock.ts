// Allows one supervisor per state folder. The lock names its holder by process id and start time, so a dead holder is recognised
// even if another process has its id.
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { z } from "zod";
import { sleep } from "../../../system/clock.ts";
import { errnoOf, HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";

const Holder = z.object({ pid: z.int(), startTicks: z.string(), bootId: z.string() });
type Holder = z.infer<typeof Holder>;

/** Takes the lock at `path`. Returns the pid of a living holder, or undefined if the lock was taken. */
export async function takeLock(path: string, pid = process.pid): Promise<number | undefined> {
  await using _turn = await takeTurn(path);
  const living = await lockHolder(path);
  if (living !== undefined) return living;
  const mine = `${path}.${pid}.new`;
  await writeFile(mine, JSON.stringify(await holderOf(pid)), { mode: 0o600 });
  await rename(mine, path);
  return undefined;
}

/** Longer than any check of a lock: a process that holds its turn for longer was stopped. */
const turnDeadlineMs = 30_000;

/**
 * Lets one process at a time check and take the lock. The turn is an abstract unix socket (unix(7)): the kernel gives a name to one
 * process only, and frees it when that process dies.
 */
async function takeTurn(path: string): Promise<AsyncDisposable> {
  const name = `\0hamlet-lock-${createHash("sha256").update(resolve(path)).digest("hex").slice(0, 32)}`;
  const deadline = performance.now() + turnDeadlineMs;
  for (;;) {
    const server = createServer();
    const isMine = await new Promise<boolean>((done, failed) => {
      server.once("error", (error) => (errnoOf(error) === "EADDRINUSE" ? done(false) : failed(error)));
      server.listen(name, () => done(true));
    });
    if (isMine) return { [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())) };
    if (performance.now() > deadline) {
      throw new HamletError("lab.bootFailed", "another lab has been starting for half a minute", {
        hint: "hamlet lab status shows whether it is up; a stopped process may hold it",
      });
    }
    await sleep(5 + Math.random() * 10);
  }
}

/** The pid of the living holder of the lock at `path`. */
export async function lockHolder(path: string): Promise<number | undefined> {
  const found = await readLock(path);
  return found === undefined ? undefined : livingHolder(found);
}

export const alreadyRunning = (pid: number): HamletError =>
  new HamletError("lab.alreadyRunning", `a lab is running already (process ${pid})`, {
    hint: "hamlet lab status shows it, hamlet lab down ends it",
  });

async function livingHolder(text: string): Promise<number | undefined> {
  const parsed = Holder.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const now = await holderOf(parsed.data.pid).catch(() => undefined);
  const isSame = now?.startTicks === parsed.data.startTicks && now.bootId === parsed.data.bootId;
  return isSame ? parsed.data.pid : undefined;
}

const readLock = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined);

async function holderOf(pid: number): Promise<Holder> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name in parentheses and may hold spaces; field 22 is the start time in ticks since boot.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie does not run any more.
  if (fields[0] === "Z") throw new Error("a zombie holds nothing");
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return { pid, startTicks: fields[19] ?? "", bootId };
}
