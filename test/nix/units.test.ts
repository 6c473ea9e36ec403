// systemd finds no fault with any unit, and each service states its measured exposure.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import unitsJson from "../../nix/units.json" with { type: "json" };
import { lacks } from "../lacks.ts";
import { complaints, furnish, start } from "./verify.ts";

const root = join(import.meta.dirname, "../..");
const folders = [
  ...Object.values(unitsJson).flat(),
  "image/lab/guest-rpi3",
  "image/bundle/root/usr/lib/systemd/system",
];

async function unitPaths(): Promise<string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(join(root, folder)).catch((): string[] => []);
      return names
        .filter((name) => /\.(service|timer|path|mount|automount)$/.test(name))
        .map((name) => join(root, folder, name));
    }),
  );
  return found.flat();
}
const paths = await unitPaths();
const services = paths.filter((path) => path.endsWith(".service"));
const nameOf = (path: string) => path.split("/").at(-1)!;

describe.skipIf(lacks("systemd-analyze"))("systemd", () => {
  let device = "";
  let systemd = 0;
  beforeAll(async () => {
    systemd = Number(/systemd (\d+)/.exec((await start("systemd-analyze", "--version")).text)?.[1]);
    // A root with every program that the units name: systemd complains about a missing one.
    device = await mkdtemp(join(tmpdir(), "hamlet-units-"));
    await mkdir(join(device, "usr/lib/systemd/system"), { recursive: true });
    for (const path of paths) await cp(path, join(device, "usr/lib/systemd/system", nameOf(path)));
    for (const name of [
      "usr/lib/hamlet/node",
      "usr/bin/node",
      "usr/lib/hamlet/grow-data",
      "usr/lib/systemd/systemd-sysctl",
      "bin/sh",
      "bin/rm",
      "usr/bin/stty",
    ]) {
      await mkdir(join(device, name, ".."), { recursive: true });
      await writeFile(join(device, name), "", { mode: 0o755 });
    }
    await furnish(device);
    await writeFile(join(device, "etc/passwd"), "root:x:0:0::/:/bin/sh\nhamlet:x:990:990::/:/bin/sh\n");
  });
  afterAll(() => rm(device, { recursive: true, force: true }));

  test("finds no fault with any unit", async () => {
    expect(paths.length).toBeGreaterThan(6);
    expect(await complaints(device, paths.map(nameOf))).toEqual([]);
  });

  test.each([
    ["directive", "ProtectHome=yes", "ProtectHoem=yes", "'ProtectHoem'"],
    ["value", "ProtectHome=yes", "ProtectHome=perhaps", "perhaps"],
    ["program", "/usr/lib/hamlet/node ", "/usr/lib/hamlet/noed ", "noed"],
  ])("reports a misspelled %s", async (_, right, wrong, complaint) => {
    const path = join(device, "usr/lib/systemd/system/hamlet-agent.service");
    const text = await readFile(path, "utf8");
    expect(text).toContain(right);
    await writeFile(path, text.replace(right, wrong));
    const found = await complaints(device, paths.map(nameOf));
    await writeFile(path, text);
    expect(found.join("\n")).toContain(complaint);
  });

  async function exposure(path: string): Promise<number> {
    const { text } = await start("systemd-analyze", "security", "--offline=true", "--no-pager", path);
    return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(text)?.[1]);
  }

  test("the agent's exposure is at most 2.5", async () => {
    const argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25"] as const;
    const agent = join(root, "agent/units/hamlet-agent.service");
    expect((await start(...argv, agent)).code).toBe(0);
    const loose = join(device, "loose.service");
    await writeFile(
      loose,
      (await readFile(agent, "utf8")).replace(/^(ProtectProc|PrivateMounts|ProtectHome)=.*\n/gm, ""),
    );
    expect((await start(...argv, loose)).code).not.toBe(0);
  });

  test("a unit with ProtectClock, which turns on a device list, also says which devices it uses", async () => {
    for (const path of services) {
      const text = await readFile(path, "utf8");
      if (/^ProtectClock=yes$/m.test(text))
        expect(text, nameOf(path)).toMatch(/^(PrivateDevices=yes|DevicePolicy=closed)$/m);
    }
    // Both services write to the consoles.
    for (const name of ["hamlet-firstboot.service", "hamlet-tell.service"]) {
      expect(await readFile(join(root, "provisioning/firstboot", name), "utf8")).toMatch(/^DeviceAllow=char-tty rw$/m);
    }
  });

  test.each(services.map((path) => [nameOf(path), path]))(
    "%s states its measured exposure and the reason",
    async (_, path) => {
      const [, stated = "", why = ""] = /^# Exposure ([\d.]+)[,:] (.+)$/m.exec(await readFile(path, "utf8")) ?? [];
      expect(stated, "a line '# Exposure 1.2: reason' in [Service]").not.toBe("");
      expect(why.length).toBeGreaterThan(20);
      // The numbers are those of Debian 12; other versions of systemd weigh a little differently.
      const measured = await exposure(path);
      if (systemd === 252) expect(measured).toBe(Number(stated));
      else expect(Math.abs(measured - Number(stated))).toBeLessThan(0.6);
    },
  );
});
