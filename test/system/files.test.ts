// Untrusted files and JSON.
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { explainIssues, parseJson } from "../../system/files.ts";
import { readSmallFile } from "../../system/small-file.ts";

test("JSON is parsed unchanged, but refused if it is nested deeper than any of our own", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      expect(parseJson(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  expect(parseJson(nested(100))).toBeDefined();
  expect(parseJson(nested(101))).toBeUndefined();
  expect(parseJson(`{"a":`.repeat(50_000))).toBeUndefined();
  // Brackets inside a string do not count as depth, whatever it escapes.
  expect(parseJson(JSON.stringify(`\\"${"[".repeat(500)}`))).toHaveLength(502);
});

test("any number of schema errors is described in one line", () => {
  const told = (value: unknown) => explainIssues(z.record(z.string(), z.string()).safeParse(value).error!);
  expect(told({ a: 1 })).toBe("a: Invalid input: expected string, received number");
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => ["x".repeat(1000) + index, 1]));
  expect(told(many).length).toBeLessThan(2000);
  expect(told(many)).toMatch(/; and 4992 more$/);
});

test("a small file is read, a missing one gives undefined, and a pipe or a large file is refused at once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-small-"));
  try {
    const path = join(folder, "file");
    expect(await readSmallFile(path, 10)).toBeUndefined();
    await writeFile(path, "0123456789");
    expect(String(await readSmallFile(path, 10))).toBe("0123456789");
    await truncate(path, 2 ** 40);
    await expect(readSmallFile(path, 10)).rejects.toMatchObject({ code: "file.invalid" });
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await expect(readSmallFile(join(folder, "pipe"), 10)).rejects.toMatchObject({ code: "file.invalid" });
    await expect(readSmallFile(folder, 10)).rejects.toMatchObject({ code: "file.invalid" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
