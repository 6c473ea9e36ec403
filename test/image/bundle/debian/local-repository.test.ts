// Folder names with spaces, commas and the like work in the arguments and settings of other programs.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { makeRepository } from "../../../../image/bundle/debian/local-repository.ts";
import { run } from "../../../../system/command.ts";
import { lacks } from "../../../lacks.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

test.skipIf(lacks("apt-get"))("pm2-space: apt finds the locked packages' archive in a folder of any name", async () => {
  const root = await mkdtemp(join(tmpdir(), "hamlet-paths-"));
  folders.push(root);
  const folder = join(root, "it's my, tmp & 100% #1");
  await mkdir(folder);
  const lock = { suite: "bookworm", architecture: "amd64", installed: {} } as Parameters<typeof makeRepository>[0];
  const [, , address = ""] = (await makeRepository(lock, folder, run)).split(" ");
  const got = join(root, "Release");
  await run(["/usr/lib/apt/apt-helper", "download-file", `${address}/dists/bookworm/Release`, got], {
    timeoutMs: 60_000,
  });
  expect(await readFile(got, "utf8")).toContain("Codename: bookworm");
});
