// By which time zone a device knows its night.
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findZone } from "../../../agent/rollout/zone.ts";
import { hoursOf } from "../../../ota/rollout/window.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-zone-"));
});
afterEach(() => rm(root, { recursive: true }));

async function link(path: string, target: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await symlink(target, join(root, path));
}

test.each([
  ["/usr/share/zoneinfo/Europe/Prague", "Europe/Prague"],
  ["../usr/share/zoneinfo/Atlantic/Reykjavik", "Atlantic/Reykjavik"],
  ["/usr/share/zoneinfo/posix/America/Argentina/Salta", "America/Argentina/Salta"],
  ["/usr/share/zoneinfo/Etc/UTC", undefined],
  ["/usr/share/zoneinfo/UTC", undefined],
  ["/somewhere/else", undefined],
])("a system whose /etc/localtime leads to %s has the zone %s", async (target, zone) => {
  expect(await findZone(root)).toBeUndefined();
  await link("etc/localtime", target);
  expect(await findZone(root)).toBe(zone);
});

test("NixOS leads to its zone by one link more, and a circle to none", async () => {
  await link("etc/localtime", "/etc/static/localtime");
  await link("etc/static/localtime", "/etc/zoneinfo/Europe/Rome");
  expect(await findZone(root)).toBe("Europe/Rome");
  await rm(join(root, "etc/static/localtime"));
  await link("etc/static/localtime", "/etc/localtime");
  expect(await findZone(root)).toBeUndefined();
});

test("what the card said counts before what the system says, UTC included", async () => {
  await link("etc/localtime", "/usr/share/zoneinfo/Europe/Prague");
  const told = join(root, "var/lib/hamlet/system/timezone");
  await mkdir(dirname(told), { recursive: true });
  await writeFile(told, "UTC\n");
  expect(await findZone(root)).toBe("UTC");
});

/** A device's process has its zone from `TZ`, which a test cannot change in its own. */
function isOpenIn(zone: string, window: string, ...times: string[]): boolean[] {
  const script = `
    import { minuteOfDay } from ${JSON.stringify(new URL("../../../agent/rollout/zone.ts", import.meta.url).href)};
    process.env.TZ = ${JSON.stringify(zone)};
    console.log(JSON.stringify(${JSON.stringify(times)}.map((time) => minuteOfDay(Date.parse(time)))));`;
  const env = { ...process.env, TZ: "" };
  const said = execFileSync(process.execPath, ["--input-type=module", "--no-warnings", "-e", script], { env });
  const minutes: number[] = JSON.parse(said.toString());
  return minutes.map((minute) => hoursOf(window, { atMs: 0, wallMs: 0, minute, zone }, 0).isOpen);
}

test("the hours are those of the zone, the same in summer and in winter, also on the days between", () => {
  const times = ["2026-01-15T00:30Z", "2026-01-15T01:30Z", "2026-07-15T00:30Z", "2026-07-15T03:30Z"];
  expect(isOpenIn("Europe/Berlin", "02:00-05:00", ...times)).toEqual([false, true, true, false]);
  const spring = ["2026-03-29T00:59Z", "2026-03-29T01:00Z", "2026-03-29T02:59Z", "2026-03-29T03:00Z"];
  expect(isOpenIn("Europe/Berlin", "02:00-05:00", ...spring)).toEqual([false, true, true, false]);
  const autumn = ["2026-10-24T23:59Z", "2026-10-25T00:00Z", "2026-10-25T03:59Z", "2026-10-25T04:00Z"];
  expect(isOpenIn("Europe/Berlin", "02:00-05:00", ...autumn)).toEqual([false, true, true, false]);
  expect(isOpenIn("Asia/Kolkata", "02:00-05:00", "2026-01-15T20:29Z", "2026-01-15T20:30Z")).toEqual([false, true]);
});
