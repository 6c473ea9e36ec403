import { expect, test } from "vitest";
import { entryName, looksCounted, parseEntryName } from "../../../../image/boot/systemd-boot/entries.ts";
import { Version } from "../../../../image/bundle/version.ts";

test.each([
  ["hamlet_1.2.3.efi", { stem: "hamlet_1.2.3", version: "1.2.3", triesDone: 0 }],
  ["hamlet_1.2.3+3.efi", { stem: "hamlet_1.2.3", version: "1.2.3", triesLeft: 3, triesDone: 0 }],
  ["hamlet_1.2.3+2-1.efi", { stem: "hamlet_1.2.3", version: "1.2.3", triesLeft: 2, triesDone: 1 }],
  ["HAMLET_1.0~RC1+0-3.EFI", { stem: "hamlet_1.0~rc1", version: "1.0~RC1", triesLeft: 0, triesDone: 3 }],
  ["hamlet_1.0+git5.efi", { stem: "hamlet_1.0+git5", version: "1.0+git5", triesDone: 0 }],
])("%s says what it is", (file, facts) => {
  expect(parseEntryName(file)).toEqual({ file, ...facts });
});

test("names that are not Hamlet's are ignored", () => {
  for (const file of ["windows.efi", "hamlet.efi", "hamlet_1.0.new", "hamlet_1.0.efi.bak", ".hamlet_1.0.efi"]) {
    expect(parseEntryName(file)).toBeUndefined();
  }
});

test("a name parses to the values that it was made from", () => {
  for (const [left, done] of [
    [undefined, 0],
    [3, 0],
    [0, 0],
    [1, 2],
  ] as const) {
    const file = entryName("1.2", left, done);
    expect(parseEntryName(file)).toMatchObject({ version: "1.2", triesDone: done });
    expect(parseEntryName(file)?.triesLeft).toBe(left);
  }
});

test("an image cannot have a version that the boot loader would read as a count of tries", () => {
  for (const version of ["1.0+3", "1.0+3-1"]) {
    expect(looksCounted(version)).toBe(true);
    expect(Version.safeParse(version).success).toBe(false);
  }
  for (const version of ["1.0", "1.0+git5", "1.0-3", "1.0+3a"]) {
    expect(looksCounted(version)).toBe(false);
    expect(Version.safeParse(version).success).toBe(true);
  }
});
