// The time zone on a card: one that exists, or the one that was probably meant.
import { expect, test } from "vitest";
import { TimeZone, ZoneName, zoneTrouble } from "../../../provisioning/file/time-zone.ts";

test.each(["Europe/Berlin", "America/Argentina/Salta", "Etc/GMT+5", "UTC", "Asia/Kolkata", "Europe/Kyiv"])(
  "%s is a time zone",
  (zone) => {
    expect(zoneTrouble(zone)).toBeUndefined();
    expect(TimeZone.parse(zone)).toBe(zone);
    expect(ZoneName.parse(zone)).toBe(zone);
  },
);

test.each([
  ["Berlin", "Europe/Berlin"],
  ["Europe/Berln", "Europe/Berlin"],
  ["Germany/Berlin", "Europe/Berlin"],
  ["new york", "America/New_York"],
  ["+02:00", ""],
  ["", ""],
  ["../../etc/passwd", ""],
  ["Europe/Berlin\n[Network]", ""],
  ["x".repeat(10_000), ""],
])("%j is none, and names the one that was probably meant: %s", (text, meant) => {
  expect(zoneTrouble(text)).toMatch(/^is not a time zone; did you mean [A-Za-z_/+-]+\?$/);
  expect(zoneTrouble(text)).toContain(meant);
  expect(TimeZone.safeParse(text).success).toBe(false);
});
