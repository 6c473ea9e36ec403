// The start order of a device's units has no cycle: systemd would break one by dropping an arbitrary unit.
import { execFileSync } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lacks } from "../../lacks.ts";

const project = join(import.meta.dirname, "../../..");
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-units-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** systemd's complaints about starting these units along with everything else that a boot starts. */
async function complaints(change: (unit: string, text: string) => string = (_, text) => text): Promise<string> {
  const units: string[] = [];
  for (const room of ["agent/units", "provisioning/firstboot"]) {
    const names = await readdir(join(project, room));
    for (const name of names.filter((one) => /\.(service|path)$/.test(one) && !one.includes("@"))) {
      await cp(join(project, room, name), join(folder, name));
      const text = change(name, await readFile(join(folder, name), "utf8"));
      // This computer does not have the device's programs.
      await writeFile(join(folder, name), text.replaceAll(/=\/usr\/(lib\/hamlet\/node|bin\/node)/g, "=/bin/true"));
      units.push(name);
    }
  }
  const target = `[Unit]\nWants=${units.join(" ")} basic.target paths.target\nAfter=basic.target\n`;
  await writeFile(join(folder, "boot.target"), target);
  // It exits with 0 even after breaking a cycle, so its output counts.
  return execFileSync("sh", ["-c", 'systemd-analyze verify --man=no "$0" 2>&1 || true', join(folder, "boot.target")], {
    env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
    encoding: "utf8",
  });
}

test.skipIf(lacks("systemd-analyze"))(
  "the units of the agent and of first boot start without an ordering cycle",
  async () => {
    expect(await complaints()).not.toMatch(/ordering cycle|hamlet-/);
  },
);

test.skipIf(lacks("systemd-analyze"))("the check above detects a cycle", async () => {
  // By default the path units start before basic.target, and firstboot, which they follow, after it.
  const withDefaults = (_: string, text: string) => text.replace("DefaultDependencies=no\n", "");
  expect(await complaints(withDefaults)).toMatch(/ordering cycle/);
});
