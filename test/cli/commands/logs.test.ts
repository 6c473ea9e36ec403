// Receiving a log archive from another device, and what is left if it fails.
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchArchive, logs } from "../../../cli/commands/device/logs.ts";
import { parseInput } from "../../../cli/terminal/command.ts";
import { runThrough } from "../../../cli/terminal/device.ts";
import { localDoors } from "../../../system/doors.ts";
import { makeProgress } from "../../../system/progress.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-logs-"));
  path = join(folder, "attic.tar.gz");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A device whose program prints `archive`, then exits with `code`. */
const device = (archive: string, code = 0) => ({
  found: "attic",
  exec: async (_: string[], output: NodeJS.WritableStream = process.stdout) => {
    output.write(archive);
    return code;
  },
});

test("the archive arrives completely, and only its owner may read it, even if it replaces a public file", async () => {
  await writeFile(path, "older and longer than the new one", { mode: 0o644 });
  await fetchArchive(path, device("archive"));
  expect(await readFile(path, "utf8")).toBe("archive");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(["attic.tar.gz"]);
});

test("a link beside the archive or in its place is not followed", async () => {
  const theirs = join(folder, "theirs");
  await writeFile(theirs, "theirs");
  for (const link of [path, `${path}.partial`]) await symlink(theirs, link);
  await fetchArchive(path, device("archive"));
  expect([await readFile(theirs, "utf8"), await readFile(path, "utf8")]).toEqual(["theirs", "archive"]);
});

test("if the device fails midway, the old file stays and nothing else is left", async () => {
  await writeFile(path, "before");
  await expect(fetchArchive(path, device("arch", 1))).rejects.toMatchObject({ code: "command.failed" });
  const lost = { found: "attic", exec: () => Promise.reject(new Error("the machine went away")) };
  await expect(fetchArchive(path, lost)).rejects.toThrow("went away");
  expect([await readFile(path, "utf8"), await readdir(folder)]).toEqual(["before", ["attic.tar.gz"]]);
});

test("a missing folder, or a file in its place, gives a coded error that names the requested file", async () => {
  await writeFile(join(folder, "file"), "");
  await mkdir(join(folder, "taken"));
  for (const wrong of ["nowhere/attic.tar.gz", "file/attic.tar.gz", "taken"]) {
    await expect(fetchArchive(join(folder, wrong), device("archive"))).rejects.toMatchObject({
      code: "file.unreadable",
      message: `cannot write ${join(folder, wrong)}`,
    });
  }
  expect((await readdir(folder)).sort()).toEqual(["file", "taken"]);
});

test("a disk that fills up gives a coded error and leaves the old file intact", async () => {
  await writeFile(path, "before");
  const full = {
    found: "attic",
    async exec(_: string[], output: NodeJS.WritableStream = process.stdout) {
      output.write("arch");
      (output as Writable).destroy(Object.assign(new Error("no space left"), { code: "ENOSPC" }));
      await once(output, "close");
      return 137;
    },
  };
  await expect(fetchArchive(path, full)).rejects.toMatchObject({ code: "file.full" });
  expect([await readFile(path, "utf8"), await readdir(folder)]).toEqual(["before", ["attic.tar.gz"]]);
});

test("a program whose output cannot be written any more is ended at once", async () => {
  const full = createWriteStream("/dev/full");
  full.on("error", () => {});
  expect(await runThrough(localDoors.exec({ argv: ["yes"] }), full)).toBe(137);
  expect(full.errored).toMatchObject({ code: "ENOSPC" });
});

test.each([["--since", "1h"], ["--follow"]])("%s cannot be combined with --archive", async (...more) => {
  const input = parseInput(logs, ["--archive", path, "--device", "/nowhere/agent.sock", ...more], {});
  const context = { print() {}, note() {}, progress: makeProgress() };
  await expect(logs.run(input, context)).rejects.toMatchObject({ code: "usage.invalid", exitCode: 2 });
});
