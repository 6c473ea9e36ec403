// Who is at work on this device: root's `hamlet install`, somebody over SSH, or a program that asked systemd not to restart.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Busy } from "../../ota/rollout/view.ts";
import { readTurn, slotsTurn } from "../../system/turn.ts";
import { makeSshWatch } from "./ssh.ts";

type Work = Omit<Busy, "sinceMs">;

/**
 * Since when: whoever it was first, if others came before it was over, so that nobody holds a restart back for longer by turns.
 * `root` is the root folder of the device's files, for tests.
 */
export function makePeople(monotonic: () => number, root = "/"): () => Promise<Busy | undefined> {
  const sshLooks = makeSshWatch(monotonic, root);
  let sinceMs: number | undefined;
  return async () => {
    const isLoggedIn = await sshLooks();
    const isInstalling = (await readTurn(join(root, slotsTurn))) === "install";
    const work: Work | undefined = isInstalling
      ? { what: "install" }
      : isLoggedIn
        ? { what: "session" }
        : await workIn(join(root, "run/systemd"));
    sinceMs = work && (sinceMs ?? monotonic());
    return work && { ...work, sinceMs: sinceMs! };
  };
}

/** systemd-logind writes a file of `NAME=value` lines for each session and each inhibitor. */
async function workIn(folder: string): Promise<Work | undefined> {
  const sessions = await filesIn(join(folder, "sessions"));
  const isAtWork = (text: string) =>
    has(text, "REMOTE", "1") && has(text, "CLASS", "user") && !has(text, "STATE", "closing");
  if (sessions.some(isAtWork)) return { what: "session" };
  const inhibitors = await filesIn(join(folder, "inhibit"));
  const keepsOn = (text: string) => has(text, "MODE", "block") && /^WHAT=(.*:)?shutdown(:|$)/m.test(text);
  const inhibitor = inhibitors.find(keepsOn);
  if (inhibitor === undefined) return undefined;
  const who = whoIn(inhibitor);
  return { what: "inhibitor", ...(who && { who }) };
}

/** Nobody's name is longer, and a program may say anything. */
const mostWhoChars = 64;
const whoIn = (text: string): string | undefined =>
  /^WHO=(.*)$/m
    .exec(text)?.[1]
    ?.replaceAll(/[^\x20-\x7e]/g, "")
    .slice(0, mostWhoChars);

const has = (text: string, name: string, value: string): boolean => text.split("\n").includes(`${name}=${value}`);

/** Beside each inhibitor is a pipe of the same name, `.ref`, which is never read. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isFile() && !entry.name.startsWith(".")).map(({ name }) => name);
  return Promise.all(names.slice(0, 64).map((name) => readFile(join(folder, name), "utf8").catch(() => "")));
}
