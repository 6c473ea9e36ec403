// The order in which a device's units start has no circle: systemd would break one by leaving out whatever it likes.
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

/** What systemd says of starting these units together with all that a boot starts. */
async function complaints(change: (unit: string, text: string) => string = (_, text) => text): Promise<string> {
  const units: string[] = [];
  for (const room of ["agent/units", "provisioning/firstboot"]) {
    const names = await readdir(join(project, room));
    for (const name of names.filter((one) => /\.(service|path)$/.test(one) && !one.includes("@"))) {
      await cp(join(project, room, name), join(folder, name));
      const text = change(name, await readFile(join(folder, name), "utf8"));
      // The device's own programs are not here.
      await writeFile(join(folder, name), text.replaceAll(/=\/usr\/(lib\/hamlet\/node|bin\/node)/g, "=/bin/true"));
      units.push(name);
    }
  }
  const target = `[Unit]\nWants=${units.join(" ")} basic.target paths.target\nAfter=basic.target\n`;
  await writeFile(join(folder, "boot.target"), target);
  // It exits with 0 after it has broken a circle; what it says is what counts.
  return execFileSync("sh", ["-c", 'systemd-analyze verify --man=no "$0" 2>&1 || true', join(folder, "boot.target")], {
    env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
    encoding: "utf8",
  });
}

test.skipIf(lacks("systemd-analyze"))("the units of agent and first boot start in one order", async () => {
  expect(await complaints()).not.toMatch(/ordering cycle|hamlet-/);
});

test.skipIf(lacks("systemd-analyze"))("and this check sees a circle", async () => {
  const withDefaults = (unit: string, text: string) =>
    unit.endsWith(".path") ? text.replace("DefaultDependencies=no\n", "") : text;
  expect(await complaints(withDefaults)).toMatch(/ordering cycle/);
});
