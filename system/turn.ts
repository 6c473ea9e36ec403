// One of root's programs at a time: a file in /run names the process whose turn it is. A process that is gone has no turn, however
// it ended.
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { errnoOf } from "./error.ts";

export type Turn = { done(): Promise<void> };

/** Undefined while another process has its turn. `proc` is /proc, for tests. */
export async function takeTurn(path: string, pid = process.pid, proc = "/proc"): Promise<Turn | undefined> {
  const own = await lifeOf(pid, proc);
  for (let tries = 0; tries < 3; tries++) {
    try {
      // Written whole before it has its name: an empty file would be nobody's.
      const whole = `${path}.${pid}`;
      await writeFile(whole, `${pid} ${own}\n`, { mode: 0o600 });
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

/** When the process started: its number alone may be another's by now. proc(5), field 22. */
async function lifeOf(pid: number, proc: string): Promise<string | undefined> {
  const text = await readFile(`${proc}/${pid}/stat`, "utf8").catch(() => "");
  // The second field is a name in brackets, with any characters.
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}

/** Whose turn it is to write slots, or to move them to another disk. */
export const slotsTurn = "/run/hamlet-slots.turn";
