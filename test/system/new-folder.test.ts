// A folder that appears whole, also after a power cut.
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HamletError } from "../../system/error.ts";
import { makeFolder } from "../../system/new-folder.ts";

/** What the file system is asked, in its order: the disk itself does what it does. */
const asked = vi.hoisted((): { what: "sync" | "rename"; path: string }[] => []);
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const open = async (...given: Parameters<typeof real.open>) => {
    const file = await real.open(...given);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      await sync();
      asked.push({ what: "sync", path: String(given[0]) });
    };
    return file;
  };
  const renamed: typeof real.rename = async (from, to) => {
    asked.push({ what: "rename", path: String(to) });
    await real.rename(from, to);
  };
  return { ...real, open, rename: renamed };
});

let work: string;
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), "hamlet-new-folder-"));
  asked.length = 0;
});
afterEach(() => rm(work, { recursive: true, force: true }));
const exists = (folder: string) => new HamletError("ota.exists", `${folder} exists`);
const fill = async (partial: string) => {
  await mkdir(join(partial, "objects/ab"), { recursive: true });
  await writeFile(join(partial, "objects/ab/abc"), "a chunk");
  await writeFile(join(partial, "top"), "a file");
};

test("all that is in a folder is on the disk before the folder gets its name, and then the name", async () => {
  const folder = join(work, "stick");
  await makeFolder(folder, exists, fill);
  const renamedAt = asked.findIndex(({ what, path }) => what === "rename" && path === folder);
  const synced = asked.slice(0, renamedAt).map(({ path }) => path.replace(/^.*\.partial/, ""));
  expect(synced.sort()).toEqual(["", "/objects", "/objects/ab", "/objects/ab/abc", "/top"]);
  expect(asked.slice(renamedAt + 1)).toEqual([{ what: "sync", path: work }]);
  expect(await readFile(join(folder, "objects/ab/abc"), "utf8")).toBe("a chunk");
  expect((await lstat(folder)).mode & 0o777).toBe(0o700);
});

test("a folder that cannot be filled is not there, nor is anything beside it", async () => {
  const failing = makeFolder(join(work, "stick"), exists, async (partial) => {
    await fill(partial);
    throw new Error("the stick is full");
  });
  await expect(failing).rejects.toThrow("the stick is full");
  expect(await readdir(work)).toEqual([]);
});

test("a folder that exists meanwhile is left alone", async () => {
  const folder = join(work, "stick");
  const taken = makeFolder(folder, exists, async (partial) => {
    await fill(partial);
    await mkdir(join(work, "theirs"));
    await writeFile(join(work, "theirs/mine"), "x");
    await rename(join(work, "theirs"), folder);
  });
  await expect(taken).rejects.toMatchObject({ code: "ota.exists" });
  expect(await readdir(folder)).toEqual(["mine"]);
});
