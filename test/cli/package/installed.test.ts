// `npm pack` makes a package that works after installation, from any folder and without the checkout, on the Node of devices and on
// the oldest that has zstd.
import { execFile } from "node:child_process";
import { access, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { boardNames } from "../../../image/boards.ts";
import { cachedFolder } from "../../../image/bundle/cache.ts";
import { deviceFiles } from "../../../image/bundle/device-files.ts";
import { builtPrograms } from "../../../image/bundle/programs.ts";
import layout from "../../../nix/layout.json" with { type: "json" };
import packageJson from "../../../package.json" with { type: "json" };
import { run } from "../../../system/command.ts";
import { packageFolder } from "../../../system/package.ts";
import { cacheFolder } from "../../../system/paths.ts";

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
  await mkdir(join(folder, "home"));
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

/** The folder of the oldest Node that the package runs on. */
const oldestNode = (): Promise<string> =>
  cachedFolder(
    { parent: join(cacheFolder(), "node"), name: `node-linux-${process.arch}-22.15.0` },
    async (cached) => {
      await access(join(cached, "node_modules/.bin/node"));
      return join(cached, "node_modules/.bin");
    },
    async (cached) => {
      const npmPackage = `node-linux-${process.arch}@22.15.0`;
      await run(["npm", "install", "--silent", "--prefix", cached, npmPackage], { timeoutMs: 300_000 });
    },
  );

describe.each([
  ["the Node of devices", async () => dirname(process.execPath)],
  ["Node 22.15", oldestNode],
] as const)("on %s", (name, nodeFolder) => {
  let bin = "";
  const elsewhere = () => join(folder, `elsewhere on ${name}`);
  beforeAll(async () => {
    bin = await nodeFolder();
    await mkdir(elsewhere());
  });
  const hamlet = async (...words: string[]) => {
    const env = {
      PATH: `${bin}:/usr/bin:/bin`,
      HOME: join(folder, "home"),
      HAMLET_PASSPHRASE: "correct horse battery",
    };
    return await promisify(execFile)(join(folder, "prefix/bin/hamlet"), words, { cwd: elsewhere(), env });
  };

  test("the installed command prints its version and its commands", async () => {
    expect(await hamlet("--version")).toEqual({ stdout: `${packageJson.version}\n`, stderr: "" });
    expect((await hamlet("--help")).stdout).toMatch(/^ {2}init {2,}\S/m);
  });

  test("the installed command creates a neighborhood and provisions a device of it", async () => {
    expect((await hamlet("init", "elm-street", "--name", "Elm Street")).stdout).toContain("made Elm Street");
    expect(await readFile(join(elsewhere(), "elm-street/recovery.txt"), "utf8")).toContain("Elm Street");
    const card = join(elsewhere(), "card/hamlet");
    await mkdir(card, { recursive: true });
    const image = { format: 1, board: "nuc", version: "1", inputs: "a".repeat(64), builtS: 1, rootHash: "", parts: {} };
    await writeFile(join(card, "image.json"), JSON.stringify({ ...image, sizeBytes: 1 }));
    await writeFile(join(card, "provision.json"), Buffer.alloc(layout.provisionBlockBytes, "\n"));
    await hamlet("provision", "card", "--neighborhood", "elm-street", "--name", "attic");
    expect(await readFile(join(card, "provision.json"), "utf8")).toContain('"attic"');
  });
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

test("the package contains the programs of the lab and of publishing, and installs no other package", async () => {
  for (const name of ["supervisor.mjs", "join-inside.mjs", "lab-web.mjs", "publish-thread.mjs", "npm-licences.txt"]) {
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
