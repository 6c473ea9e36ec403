// Who is at work on this device: somebody over SSH, or a program that asked systemd not to restart.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Busy } from "../../ota/rollout/view.ts";
import { makeSshWatch } from "./ssh.ts";

/** `root` is the root folder of the device's files, for tests. systemd-logind writes a file of `NAME=value` lines for each. */
export function makePeople(monotonic: () => number, root = "/"): () => Promise<Busy | undefined> {
  const sshLooks = makeSshWatch(monotonic, root);
  let found: Busy | undefined;
  return async () => {
    const isLoggedIn = await sshLooks();
    const what = isLoggedIn ? "session" : await whatIn(join(root, "run/systemd"));
    if (what === undefined) found = undefined;
    else if (found?.what !== what) found = { what, sinceMs: monotonic() };
    return found;
  };
}

async function whatIn(folder: string): Promise<Busy["what"] | undefined> {
  const sessions = await filesIn(join(folder, "sessions"));
  const isAtWork = (text: string) =>
    has(text, "REMOTE", "1") && has(text, "CLASS", "user") && !has(text, "STATE", "closing");
  if (sessions.some(isAtWork)) return "session";
  const inhibitors = await filesIn(join(folder, "inhibit"));
  const keepsOn = (text: string) => has(text, "MODE", "block") && /^WHAT=(.*:)?shutdown(:|$)/m.test(text);
  return inhibitors.some(keepsOn) ? "inhibitor" : undefined;
}

const has = (text: string, name: string, value: string): boolean => text.split("\n").includes(`${name}=${value}`);

/** Beside each inhibitor is a pipe of the same name, `.ref`, which is never read. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isFile() && !entry.name.startsWith(".")).map(({ name }) => name);
  return Promise.all(names.slice(0, 64).map((name) => readFile(join(folder, name), "utf8").catch(() => "")));
}
