import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type FileSeconds, failureLines, secondsLines, secondsTable, summaryLine } from "./seconds.ts";

const row = (change: Partial<FileSeconds>): FileSeconds => ({
  ...{ file: "test/a.test.ts", project: "unit", seconds: 1, passed: 1, failed: 0, skipped: 0 },
  ...change,
});
const rows = [
  row({ file: "test/quick.test.ts", seconds: 0.2, passed: 3 }),
  row({ file: "test/net/slow.test.ts", project: "net", seconds: 75.25, passed: 1, failed: 1, skipped: 2 }),
  row({ file: "test/middling.test.ts", seconds: 4, passed: 10 }),
];

test("the table lists the slowest file first, then each project, then the whole run", () => {
  expect(secondsTable(rows, 77).split("\n")).toEqual([
    "seconds  project  passed  failed  skipped  file",
    "   75.3  net           1       1        2  test/net/slow.test.ts",
    "    4.0  unit         10       0        0  test/middling.test.ts",
    "    0.2  unit          3       0        0  test/quick.test.ts",
    "",
    "    4.2  unit         13       0        0  2 files",
    "   75.3  net           1       1        2  1 file",
    "   77.0               14       1        2  the whole run, by the clock",
  ]);
});

test("the record has one line of JSON per file, with the run it comes from", () => {
  const run = { commit: "abc", date: "2026-01-05T00:00:00.000Z", cores: 2 };
  const lines = secondsLines(rows, run).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([rows[1], rows[2], rows[0]].map((one) => ({ ...one, ...run })));
});

test("the counts are one plain line", () => {
  expect(summaryLine(rows)).toBe("14 passed, 1 failed, 2 skipped");
});

test("a failure shows its title and the beginning of each error", () => {
  const long = Array.from({ length: 20 }, (_, line) => `line ${line}`).join("\n");
  const shown = failureLines([{ title: "a.test.ts > adds", messages: ["1 is not 2", long] }]).split("\n");
  expect(shown.slice(0, 3)).toEqual(["FAILED a.test.ts > adds", "    1 is not 2", "    line 0"]);
  expect(shown.slice(-2)).toEqual(["    line 11", "    ..."]);
});

test("a run ends with the line of counts, and failed hooks and errors outside tests count as failures", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-seconds-"));
  try {
    const root = join(import.meta.dirname, "..");
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await writeFile(
      join(folder, "one.test.ts"),
      `import { beforeAll, describe, test } from "vitest";
       test("passes", () => {});
       test("fails", () => { throw new Error("wrong"); });
       test.skip("is skipped", () => {});
       describe("broken", () => { beforeAll(() => { throw new Error("hook"); }); test("never starts", () => {}); });`,
    );
    await writeFile(join(folder, "two.test.ts"), `throw new Error("is no test file");`);
    await writeFile(
      join(folder, "three.test.ts"),
      `import { test } from "vitest";
       test("leaves an error behind", () => { setTimeout(() => { throw new Error("late"); }); });
       test("waits", () => new Promise((done) => setTimeout(done, 50)));`,
    );
    const printed = await runVitest(folder, join(import.meta.dirname, "seconds-reporter.ts"));
    expect(printed.stdout.trimEnd().split("\n").at(-1)).toBe("3 passed, 4 failed, 2 skipped");
    for (const said of [
      "one.test.ts > fails\n    wrong",
      "one.test.ts > broken\n    hook",
      "two.test.ts\n    is no",
      "late",
    ])
      expect(printed.stdout.slice(printed.stdout.indexOf("by the clock"))).toContain(said);
    expect(printed.code).toBe(1);
  } finally {
    await rm(folder, { recursive: true });
  }
});

function runVitest(folder: string, reporter: string): Promise<{ code: unknown; stdout: string }> {
  const vitest = join(import.meta.dirname, "../node_modules/vitest/vitest.mjs");
  const argv = [vitest, "run", "--root", folder, "--reporter", reporter];
  return new Promise((resolve) => {
    execFile(process.execPath, argv, (error, stdout) => resolve({ code: error?.code ?? 0, stdout }));
  });
}
