// Runs `systemd-analyze verify` on units in a root folder, with stubs for the targets that they name.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const targets = ["sysinit", "basic", "multi-user", "local-fs", "local-fs-pre", "shutdown", "umount", "paths", "timers"];

export const start = (...argv: [string, ...string[]]): Promise<{ code: number; text: string }> =>
  new Promise((resolve) => {
    execFile(argv[0], argv.slice(1), { env: { ...process.env, LC_ALL: "C" } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, text: stdout + stderr }),
    );
  });

/** Adds stubs of the targets that every system has to `root`. */
export async function furnish(root: string): Promise<void> {
  const folder = join(root, "etc/systemd/system");
  await mkdir(folder, { recursive: true });
  for (const name of targets) await writeFile(join(folder, `${name}.target`), "[Unit]\nDescription=stub\n");
}

/** systemd's complaints about units (file names) in `root`. */
export async function complaints(root: string, units: string[]): Promise<string[]> {
  const names = units.map((name) => name.replace("@.", "@wlan0."));
  const { text } = await start("systemd-analyze", "verify", "--man=no", "--generators=no", `--root=${root}`, ...names);
  return text.split("\n").filter((line) => line !== "");
}
