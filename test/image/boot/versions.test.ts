import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareVersions } from "../../../image/boot/versions.ts";
import { lacks } from "../../lacks.ts";

// Examples from the Version Format Specification, oldest first.
const ascending = [
  "~1",
  "",
  "ab",
  "abb",
  "abc",
  "0001",
  "002",
  "12",
  "122",
  "122.9",
  "123~rc1",
  "123",
  "123-a",
  "123-a.1",
  "123-a1",
  "123-a1.1",
  "123-3",
  "123-3.1",
  "123^patch1",
  "123^1",
  "123.a-1",
  "123.1-1",
  "123a-1",
  "124",
];

test("versions sort as in the specification", () => {
  for (const [index, older] of ascending.entries()) {
    for (const [other, newer] of ascending.entries()) {
      expect([older, newer, compareVersions(older, newer)]).toEqual([older, newer, Math.sign(index - other)]);
    }
  }
});

test.each([
  ["1.2.3", "1.2.10"],
  ["0.1.0~dev", "0.1.0"],
  ["1.0", "1.0+git5"],
  ["1.9", "1.10"],
  ["2.0-rc1", "2.0.1"],
])("%s is older than %s", (older, newer) => {
  expect([compareVersions(older, newer), compareVersions(newer, older)]).toEqual([-1, 1]);
});

test.skipIf(lacks("systemd-analyze"))("systemd compares any two versions the same way", () => {
  const version = fc.string({ unit: fc.constantFrom(..."0019aBz.~-^+_"), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(version, version, (a, b) => {
      // 12: the first is older, 11: it is newer.
      const { status } = spawnSync("systemd-analyze", ["compare-versions", "--", a, b]);
      const order = status === 12 ? -1 : status === 11 ? 1 : status;
      expect([a, b, compareVersions(a, b)]).toEqual([a, b, order]);
    }),
    { numRuns: 60 },
  );
});
