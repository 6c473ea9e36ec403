// One supervisor a state folder. The lock names its holder by process id and start time, so that a dead one's is recognised,
// even when its id has gone to another process.
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { z } from "zod";
import { errnoOf, HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";

const Holder = z.object({ pid: z.int(), startTicks: z.string(), bootId: z.string() });
type Holder = z.infer<typeof Holder>;

/** Takes the lock at `path`. Gives the pid of the living holder if there is one, else undefined. */
export async function takeLock(path: string, pid = process.pid): Promise<number | undefined> {
  const [mine, aside] = [`${path}.${pid}.new`, `${path}.${pid}.stale`];
  await writeFile(mine, JSON.stringify(await holderOf(pid)), { mode: 0o600 });
  try {
    for (;;) {
      // A link appears whole or not at all, and never over another.
      const isTaken = await link(mine, path).then(() => false, refuseUnlessThere);
      if (!isTaken) return undefined;
      const found = await readLock(path);
      if (found === undefined) continue;
      const living = await livingHolder(found);
      if (living !== undefined) return living;
      // Out of the way by rename, so that of two who find it stale one gets it; who got a fresh one by mistake puts it back.
      await rename(path, aside).catch(() => {});
      const moved = await readLock(aside);
      if (moved !== undefined && moved !== found) await link(aside, path).catch(() => {});
      await rm(aside, { force: true });
    }
  } finally {
    await rm(mine, { force: true });
  }
}

function refuseUnlessThere(error: unknown): true {
  if (errnoOf(error) !== "EEXIST") throw error;
  return true;
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
  // A zombie runs nothing any more.
  if (fields[0] === "Z") throw new Error("a zombie holds nothing");
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return { pid, startTicks: fields[19] ?? "", bootId };
}
