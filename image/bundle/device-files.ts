// The files of this project in a board's root filesystem: programs, and the units, rules and scripts beside them.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import unitsJson from "../../nix/units.json" with { type: "json" };
import { updateFiles } from "../../provisioning/file/update-source.ts";

export type DeviceFile = { path: string; target: string };
/** Files with the repositories and the release root. */
export type UpdateSource = Record<keyof typeof updateFiles, string>;

const unitFolders = Object.values(unitsJson).flat();
const unitTargets = {
  service: "usr/lib/systemd/system",
  timer: "usr/lib/systemd/system",
  path: "usr/lib/systemd/system",
  rules: "usr/lib/udev/rules.d",
};

/** `programs`: paths of the built programs by name. Without `update` the device has no updater. */
export async function deviceFiles(
  programs: Map<string, string>,
  board: string,
  projectFolder: string,
  update?: UpdateSource,
): Promise<DeviceFile[]> {
  const files = [...programs].map(([name, path]): DeviceFile => ({ path, target: `usr/lib/hamlet/${name}` }));
  for (const part of ["repositories", "releaseRoot"] as const) {
    if (update) files.push({ path: update[part], target: `usr/lib/hamlet/${updateFiles[part]}` });
  }
  // A board whose guest agent is reached in another way has a unit of its own, which no other board's image gets.
  for (const folder of [...unitFolders, `image/lab/guest-${board}`]) {
    const found = await readdir(join(projectFolder, folder), { withFileTypes: true }).catch(() => []);
    for (const { name } of found.filter((entry) => entry.isFile())) {
      // A name without a dot is a shell script that a unit starts.
      const isScript = !name.includes(".");
      const target = isScript ? "usr/lib/hamlet" : unitTargets[name.split(".").at(-1) as keyof typeof unitTargets];
      if (target) files.push({ path: join(projectFolder, folder, name), target: `${target}/${name}` });
    }
  }
  return files;
}
