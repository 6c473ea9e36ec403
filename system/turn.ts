// One of root's programs at a time: a file in /run names the process whose turn it is. A process that is gone has no turn, however
// it ended.
import { chmod, link, readFile, rm, writeFile } from "node:fs/promises";
import { errnoOf } from "./error.ts";

export type Turn = { done(): Promise<void> };

/** `doing`: one word for those who wait. `proc` is /proc, for tests. */
export type TurnOptions = { doing?: string; pid?: number | undefined; proc?: string };

/** Undefined while another process has its turn. */
export async function takeTurn(
  path: string,
  { doing, pid = process.pid, proc = "/proc" }: TurnOptions = {},
): Promise<Turn | undefined> {
  const own = await lifeOf(pid, proc);
  for (let tries = 0; tries < 3; tries++) {
    try {
      // Written whole before it has its name: an empty file would be nobody's.
      const whole = `${path}.${pid}`;
      await writeFile(whole, `${[pid, own, ...(doing === undefined ? [] : [doing])].join(" ")}\n`);
      // Everybody may know what goes on, whatever the umask of who does it.
      await chmod(whole, 0o644);
      await link(whole, path).finally(() => rm(whole, { force: true }));
      return { done: () => rm(path, { force: true }) };
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    const [holder, life] = (await readFile(path, "utf8").catch(() => "")).trim().split(" ");
    if (holder && life && (await lifeOf(Number(holder), proc)) === life) return undefined;
    await rm(path, { force: true });
  }
  return undefined;
}

/** What the process does whose turn it is, if it has said so: for those who may not look at root's processes in /proc. */
export async function readTurn(path: string): Promise<string | undefined> {
  const [holder, , doing] = (await readFile(path, "utf8").catch(() => "")).trim().split(" ");
  return doing !== undefined && isThere(Number(holder)) ? doing : undefined;
}

function isThere(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}

/** When the process started: its number alone may be another's by now. proc(5), field 22. */
async function lifeOf(pid: number, proc: string): Promise<string | undefined> {
  const text = await readFile(`${proc}/${pid}/stat`, "utf8").catch(() => "");
  // The second field is a name in brackets, with any characters.
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}

/** Whose turn it is to write slots, or to move them to another disk. */
export const slotsTurn = "/run/hamlet-slots.turn";
