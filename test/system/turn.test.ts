// One process at a time, and none for ever.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readTurn, takeTurn } from "../../system/turn.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-turn-"));
  path = join(folder, "turn");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("while one process has its turn no other gets it, then it does", async () => {
  const other = spawn("sleep", ["60"]);
  try {
    const first = await takeTurn(path, { pid: other.pid });
    expect(first).toBeDefined();
    expect(await takeTurn(path)).toBeUndefined();
    await first!.done();
    expect(await takeTurn(path)).toBeDefined();
  } finally {
    other.kill();
  }
});

test("a process that is gone has no turn, and neither has another one with its number", async () => {
  const other = spawn("sleep", ["60"]);
  await takeTurn(path, { pid: other.pid });
  other.kill("SIGKILL");
  await once(other, "close");
  expect(await takeTurn(path)).toBeDefined();
  writeFileSync(path, `${process.pid} 1\n`);
  expect(await takeTurn(path)).toBeDefined();
});

test.each(["", "garbage", "\0\0\0"])("a file with %j is nobody's turn", async (content) => {
  writeFileSync(path, content);
  expect(await takeTurn(path)).toBeDefined();
});

test("the file is never there without its content, which another process would take for nobody's", async () => {
  const seen = new Set<string>();
  let isOver = false;
  const look = () => {
    try {
      seen.add(readFileSync(path, "utf8"));
    } catch {
      // Nobody's turn just now.
    }
    if (!isOver) setImmediate(look);
  };
  look();
  for (let round = 0; round < 200; round++) await (await takeTurn(path))!.done();
  isOver = true;
  expect(seen).not.toContain("");
  expect(readdirSync(folder)).toEqual([]);
});

test("the time at which a process started tells it from any other", async () => {
  const first = await takeTurn(path);
  expect(execFileSync("cat", [path]).toString()).toMatch(new RegExp(`^${process.pid} \\d+\n$`));
  await first!.done();
});

test("others may read what the process does whose turn it is, for as long as it is there", async () => {
  const other = spawn("sleep", ["60"]);
  const umask = process.umask(0o077);
  try {
    expect(await readTurn(path)).toBeUndefined();
    const first = await takeTurn(path, { doing: "install", pid: other.pid });
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(await readTurn(path)).toBe("install");
    expect(await takeTurn(path)).toBeUndefined();
    await first!.done();
    expect(await readTurn(path)).toBeUndefined();
    await takeTurn(path, { doing: "install", pid: other.pid });
  } finally {
    process.umask(umask);
    other.kill("SIGKILL");
    await once(other, "close");
  }
  expect(await readTurn(path)).toBeUndefined();
  // A turn that says nothing is nobody's to explain.
  await takeTurn(path);
  expect(await readTurn(path)).toBeUndefined();
});

test.each(["", "garbage", "0 1 install", "-1 1 install", "x 1 install"])(
  "%j tells of nobody's work",
  async (content) => {
    writeFileSync(path, content);
    expect(await readTurn(path)).toBeUndefined();
  },
);
