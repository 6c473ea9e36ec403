import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { secondsByFile, slowestFirst } from "./longest-first.ts";

test("a file without a recorded time runs first, then the slowest", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-order-"));
  try {
    const path = join(folder, "seconds.jsonl");
    const lines = [
      { file: "test/a.test.ts", seconds: 1 },
      { file: "test/c.test.ts", seconds: 30 },
      { file: "test/b.test.ts", seconds: 9.5 },
    ];
    await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const files = ["test/a.test.ts", "test/b.test.ts", "test/c.test.ts", "test/new.test.ts"];
    const order = slowestFirst(files, (file) => file, secondsByFile(path));
    expect(order).toEqual(["test/new.test.ts", "test/c.test.ts", "test/b.test.ts", "test/a.test.ts"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the order stays when no times are known", () => {
  expect(slowestFirst(["b", "a", "c"], (file) => file, secondsByFile(undefined))).toEqual(["b", "a", "c"]);
});
