// Failures of a Nix build become our own coded errors. A fake `nix` with state replaces the real one and prints the messages of
// Nix 2.31. Debian 12's own Nix is too old for the current nixpkgs.
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { boardNamed } from "../../../../image/boards.ts";
import { nixBuild, requireNix, stageOf } from "../../../../image/bundle/nixos/nix.ts";
import { stageSource } from "../../../../image/bundle/nixos/nixos.ts";
import { type Run, run } from "../../../../system/command.ts";
import { HamletError } from "../../../../system/error.ts";
import { silentProgress } from "../../../../system/progress.ts";
import { lacks } from "../../../lacks.ts";
import { makeWritable, nixEnvironment } from "../../../nix/nix.ts";

const rpi4 = boardNamed("rpi4");
const rpi5 = boardNamed("rpi5");
let folder = "";
/** Starts only programs of `folder` and the system. */
let inFolder: Run;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-nix-"));
  inFolder = ([file, ...args], options) => run([file === "nix" ? join(folder, "nix") : file, ...args], options);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A fake Nix of this version that fails once for each line of `trouble` and then builds. */
async function putNix(version: string, trouble: string[] = []): Promise<void> {
  await writeFile(join(folder, "trouble"), trouble.map((line) => `${line}\n`).join(""));
  await writeFile(
    join(folder, "nix"),
    `#!/bin/sh
[ "$1" != --version ] || { echo "nix (Nix) ${version}"; exit 0; }
echo "$*" >>${folder}/asked
echo "these 2 derivations will be built:" >&2
echo "building '/nix/store/0c1x2v3b4n5m6a7s8d9f0g1h2j3k4l5p-linux-rpi-6.18.39.drv'..." >&2
line=$(head -n 1 ${folder}/trouble)
sed -i 1d ${folder}/trouble
[ -z "$line" ] || { echo "$line" >&2; exit 1; }
for word; do [ "$previous" != --out-link ] || mkdir -p "$word"; previous=$word; done
`,
  );
  await chmod(join(folder, "nix"), 0o755);
}
const build = (progress = silentProgress) =>
  nixBuild("path:/source#bundle-rpi4", join(folder, "result"), rpi4, inFolder, progress);

test("without Nix, the error says how to install it, and mentions Debian packages if the board can be built from them", async () => {
  const refused = await requireNix(rpi4, inFolder).catch((error) => error);
  expect(refused).toMatchObject({ code: "build.nixMissing", hint: expect.stringMatching(/nix-bin.*--base debian/) });
  const other = await requireNix(rpi5, inFolder).catch((error) => error);
  expect(other).toMatchObject({ code: "build.nixMissing", hint: expect.not.stringContaining("--base debian") });
});

test.each(["2.3.16", "2.8.0", "2.17.1", "1.11"])("Nix %s is too old", async (version) => {
  await putNix(version);
  await expect(requireNix(rpi4, inFolder)).rejects.toMatchObject({
    code: "build.nixTooOld",
    message: expect.stringContaining(`${version}; Nix 2.18 or newer is needed`),
  });
});

test.each(["2.18.0", "2.31.2", "3.0.0", "2.32.0pre20250929_1"])("Nix %s is accepted", async (version) => {
  await putNix(version);
  await requireNix(rpi4, inFolder);
});

test.skipIf(lacks("nix-build"))("the installed Nix is judged by the version that it reports", async () => {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(await run(["nix", "--version"]))!;
  const isOld = Number(major) < 2 || (Number(major) === 2 && Number(minor) < 18);
  expect(await requireNix(rpi4, run).catch((error) => error.code)).toBe(isOld ? "build.nixTooOld" : undefined);
});

test.each([
  ["build.diskFull", "error: writing to file: No space left on device"],
  ["build.diskFull", "error: committing transaction: database or disk is full (in '/nix/var/nix/db/db.sqlite')"],
  ["build.noNetwork", "error: unable to download 'https://cache.example/x.narinfo': Could not resolve hostname (6)"],
  [
    "build.noNetwork",
    "error: … while fetching the input 'github:NixOS/nixpkgs': Failed to connect: Connection refused",
  ],
  [
    "build.nixNoBuilder",
    "error: a 'aarch64-linux' with features {} is required to build '/nix/store/x-initrd.drv', but I am a 'x86_64-linux' with features {kvm}",
  ],
  ["build.nixNoDaemon", "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused"],
  ["build.nixNoDaemon", "error: opening lock file '/nix/var/nix/db/big-lock': Permission denied"],
  ["build.failed", "error: builder for '/nix/store/x-linux.drv' failed with exit code 2"],
])("%s: %s", async (code, line) => {
  await putNix("2.31.2", [line]);
  const refused = await build().catch((error) => error);
  expect(refused).toBeInstanceOf(HamletError);
  expect(refused).toMatchObject({ code, hint: expect.stringMatching(/.{20}/), cause: expect.anything() });
  // The builder keeps finished parts, so that the next try gets further.
  await build();
});

test("a warning of Nix is not taken for the cause of a failure", async () => {
  await putNix("2.31.2", ["warning: unable to download 'https://cache.example/x': timed out; retrying in 300 ms"]);
  await expect(build()).rejects.toMatchObject({ code: "build.failed" });
});

test("a failed derivation's hint names its complete log", async () => {
  await putNix("2.31.2", ["       For full logs, run: nix log /nix/store/0c1x-linux-rpi.drv"]);
  const log = "nix log /nix/store/0c1x-linux-rpi.drv";
  await expect(build()).rejects.toMatchObject({ code: "build.failed", hint: expect.stringContaining(log) });
});

test("the progress line shows what Nix is doing", async () => {
  await putNix("2.31.2");
  const stages: string[] = [];
  await build({ ...silentProgress, stage: (name) => stages.push(name) });
  expect(stages).toEqual(["asking Nix what to build", "building linux-rpi-6.18.39"]);
  expect(stageOf("these 12 paths will be fetched (41.10 MiB download, 180.33 MiB unpacked):")).toBe(
    "Nix: 12 paths to fetch (41.10 MiB download, 180.33 MiB unpacked)",
  );
  expect(stageOf("copying path '/nix/store/x' from 'https://cache.example'...")).toBeUndefined();
});

test("Nix may not update the pinned lock", async () => {
  await putNix("2.31.2");
  await build();
  expect(await readFile(join(folder, "asked"), "utf8")).toContain("--no-update-lock-file");
});

test.skipIf(lacks("nix-build"))("a real Nix accepts the staged flake without changing its lock", async () => {
  const project = join(import.meta.dirname, "../../../..");
  const source = join(folder, "source");
  await stageSource({ board: rpi4, version: "9.8.7", extras: [], npm: [], projectFolder: project }, source);
  const look = () =>
    run(
      [
        ...(["nix", "--extra-experimental-features", "nix-command flakes", "flake", "metadata"] as const),
        ...["--no-update-lock-file", "--json", `path:${source}`],
      ],
      { env: { ...nixEnvironment(folder), HOME: folder } },
    );
  const { locks } = JSON.parse(await look());
  expect(locks.nodes.nixpkgs.locked.rev).toBe("cf9d2fb3e50fa1cd5114c47505ea9177f7ff5f49");
  const flake = await readFile(join(source, "flake.nix"), "utf8");
  await writeFile(join(source, "flake.nix"), flake.replace("nixos-26.05", "nixos-26.11"));
  await expect(look()).rejects.toMatchObject({ code: "command.failed" });
  await makeWritable(folder);
});

test("the staged folder has the version, the programs and every file that Nix reads, and nothing of an earlier build", async () => {
  const project = join(import.meta.dirname, "../../../..");
  const program = join(folder, "agent.mjs");
  await writeFile(program, "agent");
  const extras = [
    { path: program, target: "usr/lib/hamlet/agent.mjs" },
    { path: join(project, "agent/units/hamlet-agent.service"), target: "usr/lib/systemd/system/hamlet-agent.service" },
  ];
  const releaseRoot = join(folder, "root.json");
  await writeFile(releaseRoot, "release root");
  extras.push({ path: releaseRoot, target: "usr/lib/hamlet/release-root.json" });
  const source = join(folder, "source");
  await mkdir(join(source, "nix/programs"), { recursive: true });
  await writeFile(join(source, "nix/programs/old.mjs"), "old");
  await stageSource({ board: rpi4, version: "9.8.7", extras, npm: [], projectFolder: project }, source);
  expect(JSON.parse(await readFile(join(source, "nix/release.json"), "utf8"))).toEqual({ version: "9.8.7" });
  expect(await readFile(join(source, "nix/programs/agent.mjs"), "utf8")).toBe("agent");
  expect(await readFile(join(source, "nix/update/release-root.json"), "utf8")).toBe("release root");
  for (const path of ["nix/programs/old.mjs", "nix/programs/hamlet-agent.service", "node_modules"]) {
    await expect(readFile(join(source, path))).rejects.toMatchObject({ code: "ENOENT" });
  }
  for (const path of [
    "nix/flake.lock",
    "agent/units/hamlet-agent.service",
    "image/bundle/initrd/init",
    "package.json",
  ]) {
    expect(await readFile(join(source, path), "utf8")).toBe(await readFile(join(project, path), "utf8"));
  }
});
