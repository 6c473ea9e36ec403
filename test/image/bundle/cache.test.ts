import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { byLastUse, cachedFolder, fillFolder, removeLeftovers } from "../../../image/bundle/cache.ts";

let parent = "";
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "hamlet-cache-"));
});
afterEach(() => rm(parent, { recursive: true }));

const read = async (folder: string) => {
  const text = await readFile(join(folder, "whole"), "utf8");
  return text === "damaged" ? undefined : text;
};
const cached = (name: string, text: string, keep?: number) =>
  cachedFolder({ parent, name, ...(keep !== undefined && { keep }) }, read, (folder) =>
    writeFile(join(folder, "whole"), text),
  );

test("a folder is made once and read from then on", async () => {
  expect(await cached("a", "first")).toBe("first");
  expect(await cached("a", "second")).toBe("first");
  expect(await readdir(parent)).toEqual(["a"]);
});

test("a damaged folder is made again", async () => {
  await cached("a", "first");
  await writeFile(join(parent, "a", "whole"), "damaged");
  expect(await cached("a", "second")).toBe("second");
  expect(await readdir(parent)).toEqual(["a"]);
});

test("if making fails, the folder before it stays and nothing is left over", async () => {
  await cached("a", "first");
  const failing = async (folder: string) => {
    await writeFile(join(folder, "half"), "");
    throw new Error("stopped");
  };
  await expect(fillFolder(join(parent, "a"), failing)).rejects.toThrow("stopped");
  await expect(cachedFolder({ parent, name: "b" }, read, failing)).rejects.toThrow("stopped");
  expect(await readdir(parent)).toEqual(["a"]);
  expect(await cached("a", "second")).toBe("first");
});

test("a folder that is not complete after it was made is an error", async () => {
  await expect(cached("a", "damaged")).rejects.toMatchObject({ code: "build.failed" });
});

test("two that make one folder at once both get the same one", async () => {
  const both = await Promise.all([cached("a", "one"), cached("a", "two")]);
  expect(["one", "two"]).toContain(await cached("a", "three"));
  for (const text of both) expect(["one", "two"]).toContain(text);
  expect(await readdir(parent)).toEqual(["a"]);
});

test("of its siblings those used last stay", async () => {
  for (const [index, name] of ["a", "b", "c"].entries()) {
    await cached(name, name, 3);
    await utimes(join(parent, name), index + 1, index + 1);
  }
  await cached("a", "a", 3);
  await cached("d", "d", 3);
  expect((await byLastUse(parent)).toSorted()).toEqual(["a", "c", "d"].map((name) => join(parent, name)));
});

test("the folder of an interrupted build is removed after an hour; finished ones and one being made stay", async () => {
  for (const name of ["abc.X7f2Qa", "abc.X7f2Qa.old", "abc"]) await mkdir(join(parent, name));
  await removeLeftovers(parent, Date.now() + 30 * 60_000);
  expect(await readdir(parent)).toHaveLength(3);
  await removeLeftovers(parent, Date.now() + 61 * 60_000);
  expect(await readdir(parent)).toEqual(["abc"]);
  await removeLeftovers(join(parent, "none"), 0);
});
