// `npm pack` makes a package that works after installation, from any folder and without the checkout.
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { boardNames } from "../../../image/boards.ts";
import { deviceFiles } from "../../../image/bundle/device-files.ts";
import { builtPrograms } from "../../../image/bundle/programs.ts";
import packageJson from "../../../package.json" with { type: "json" };
import { run } from "../../../system/command.ts";
import { packageFolder } from "../../../system/package.ts";

let folder = "";
/** The folder with the installed package. */
let installed = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-installed-"));
  const project = join(folder, "project");
  const tracked = (
    await run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: packageFolder })
  ).split("\0");
  for (const path of tracked.filter((path) => path !== "" && !path.startsWith("test/"))) {
    await mkdir(join(project, dirname(path)), { recursive: true });
    await cp(join(packageFolder, path), join(project, path)).catch(() => {});
  }
  await symlink(join(packageFolder, "node_modules"), join(project, "node_modules"));
  for (const name of ["home", "elsewhere"]) await mkdir(join(folder, name));
  const npm = async (...words: string[]) =>
    await run(["npm", ...words], { cwd: project, env: { HOME: join(folder, "home") }, timeoutMs: 120_000 });
  // Run prepack without the set-up, which could install npm packages through the link.
  expect(packageJson.scripts.prepack).toContain("npm run --silent build");
  await run([process.execPath, "cli/package/build.ts"], { cwd: project, timeoutMs: 120_000 });
  await npm("pack", "--silent", "--ignore-scripts", "--pack-destination", folder);
  const archive = join(folder, `hamlet-${packageJson.version}.tgz`);
  await npm("install", "--silent", "--global", "--offline", "--prefix", join(folder, "prefix"), archive);
  await rm(project, { recursive: true });
  installed = join(folder, "prefix/lib/node_modules/hamlet");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const hamlet = async (...words: string[]) => {
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: join(folder, "home") };
  const options = { cwd: join(folder, "elsewhere"), env: { ...env, HAMLET_PASSPHRASE: "correct horse battery" } };
  return await promisify(execFile)(join(folder, "prefix/bin/hamlet"), words, options);
};

test("the installed command prints its version and its commands", async () => {
  expect(await hamlet("--version")).toEqual({ stdout: `${packageJson.version}\n`, stderr: "" });
  expect((await hamlet("--help")).stdout).toMatch(/^ {2}init {2,}\S/m);
});

test("the installed command creates a neighborhood", async () => {
  expect((await hamlet("init", "elm-street", "--name", "Elm Street")).stdout).toContain("made Elm Street");
  expect(await readFile(join(folder, "elsewhere/elm-street/recovery.txt"), "utf8")).toContain("Elm Street");
});

test("the package contains everything that an image is built from: programs, units, scripts, locks, Nix files", async () => {
  const { programs, npm } = await builtPrograms(join(installed, "dist"));
  expect([...programs.keys()].sort()).toEqual([
    "agent.mjs",
    "firstboot.mjs",
    "hamlet.mjs",
    "inventory.mjs",
    "lab-guest.mjs",
    "updater.mjs",
  ]);
  expect(npm.find(({ name }) => name === "zod")?.licenceText).toContain("MIT");
  for (const board of boardNames) {
    const here = await deviceFiles(programs, board, installed);
    for (const { path } of here) expect((await readFile(path)).length, path).toBeGreaterThan(0);
    const targets = (files: typeof here) => files.map(({ target }) => target).sort();
    expect(targets(here)).toEqual(targets(await deviceFiles(programs, board, packageFolder)));
  }
  const builderData = ["LICENSE", "image/bundle/root", "image/bundle/initrd", "image/bundle/lock", "nix"];
  const data = (await run(["git", "ls-files", "-z", "--", ...builderData], { cwd: packageFolder })).split("\0");
  for (const path of data.filter((path) => path !== "" && !path.endsWith(".ts"))) {
    expect(await readFile(join(installed, path)), path).toEqual(await readFile(join(packageFolder, path)));
  }
});

test("the package contains the lab's programs and installs no other package", async () => {
  for (const name of ["supervisor.mjs", "join-inside.mjs", "npm-licences.txt"]) {
    expect((await readFile(join(installed, "dist", name))).length).toBeGreaterThan(0);
  }
  const found = await run(["find", installed, "-name", "node_modules", "-o", "-name", "*.ts", "-o", "-name", "*.tsx"]);
  expect(
    found
      .split("\n")
      .filter(Boolean)
      .map((path) => relative(installed, path)),
  ).toEqual([]);
});
