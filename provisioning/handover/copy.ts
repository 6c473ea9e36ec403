// Copies a folder that another user may change: its folders and regular files, with owners and modes, within limits. Leaves links, pipes
// and files with a second name behind, because none of them is ours.
import { HamletError } from "../../system/error.ts";
import type { Folder } from "./folder.ts";

export type Limits = { entries: number; bytes: number; depth: number };

/** Throws `install.tooMuchState` before it exceeds `limits`, which it counts down. `skip`: paths from the top, such as `root/moving.json`. */
export async function copyFolder(
  from: Folder,
  to: Folder,
  limits: Limits,
  skip: ReadonlySet<string> = new Set(),
  at = "",
): Promise<void> {
  for await (const { name } of from.entries()) {
    const path = `${at}${name}`;
    if (skip.has(path)) continue;
    limits.entries--;
    if (limits.entries < 0 || limits.depth === 0) throw tooMuch(from.path);
    await using inner = await from.folder(name).catch(ifRefused);
    if (inner) {
      const { mode, uid, gid } = await inner.facts();
      await using made = await to.makeFolder(name, mode & 0o777, { uid, gid });
      const deeper = { ...limits, depth: limits.depth - 1 };
      await copyFolder(inner, made, deeper, skip, `${path}/`);
      [limits.entries, limits.bytes] = [deeper.entries, deeper.bytes];
      continue;
    }
    limits.bytes -= await from.sizeOf(name);
    if (limits.bytes < 0) throw tooMuch(from.path);
    const file = await from.readWhole(name, limits.bytes + 1).catch(ifRefused);
    if (!file) continue;
    const { mode, uid, gid } = file.facts;
    await to.put(name, file.content, { mode: mode & 0o777, owner: { uid, gid } });
  }
}

const tooMuch = (path: string): HamletError =>
  new HamletError("install.tooMuchState", `${path} holds more than the state of a device`, {
    hint: `see what else is there: du -a ${path}`,
  });

function ifRefused(error: unknown): undefined {
  if (!(error instanceof HamletError) || error.code !== "handover.refused") throw error;
}
