// `image build --base nixos` from end to end. Debian's Nix evaluates the flake that the builder stages and builds its
// derivations, with doubles for nixpkgs and nixos-hardware. Staging, reading the bundle and assembling the disk are real.
// Nix reports a newer version than its own, which is too old for the real nixpkgs.
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { afterAll, beforeAll, expect, test } from "vitest";
import { assembleImage } from "../../image/assemble/assemble.ts";
import { boardNamed, kernelArgumentsOf } from "../../image/boards.ts";
import { type Bundle, readBundle } from "../../image/bundle/bundle.ts";
import { buildNixosBundle } from "../../image/bundle/nixos/nixos.ts";
import { npmPackages } from "../../image/bundle/sbom/npm.ts";
import { Sbom, sbomPath } from "../../image/bundle/sbom/sbom.ts";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { run } from "../../system/command.ts";
import { silentProgress } from "../../system/progress.ts";
import { lacks } from "../lacks.ts";
import { makeWritable, nixEnvironment, nixFolder, testFolder } from "./nix.ts";
import { complaints, furnish } from "./verify.ts";

const projectFolder = join(nixFolder, "..");
const needs = lacks("nix-build", "mkfs.erofs", "veritysetup");
let folder = "";
let nuc: Bundle;
const npm = await npmPackages(["node_modules/zod/index.js"], projectFolder);
const environment = { ...process.env };
beforeAll(async () => {
  if (needs) return;
  folder = await mkdtemp(join(tmpdir(), "hamlet-nixos-"));
  process.env["PATH"] = `${join(folder, "bin")}${delimiter}${process.env["PATH"]}`;
  process.env["XDG_CACHE_HOME"] = join(folder, "cache");
  await putNix();
  nuc = await build("nuc");
  // Longer than the default for hooks: it builds about forty derivations, which takes two seconds on a quiet machine.
}, 120_000);
afterAll(async () => {
  process.env = environment;
  if (needs) return;
  await makeWritable(folder);
  await rm(folder, { recursive: true, force: true });
});

/** Puts a `nix` on the PATH that claims a current version and runs Debian's `nix build` with doubles for the flake's inputs. */
async function putNix(): Promise<void> {
  await mkdir(join(folder, "bin"));
  // A flake may read only what is in its own folder.
  const doubles = join(folder, "doubles");
  await cp(testFolder, join(doubles, "test/nix"), { recursive: true });
  await mkdir(join(doubles, "nix"));
  await cp(join(nixFolder, "boards.json"), join(doubles, "nix/boards.json"));
  await writeFile(join(doubles, "flake.nix"), "{ outputs = inputs: import ./test/nix/nixpkgs.nix; }\n");
  // The newest file's date becomes the flake's date, and that the image's.
  execFileSync("find", [doubles, "-exec", "touch", "-d", "@1700000000", "{}", "+"]);
  const variables = Object.entries(nixEnvironment(folder)).map(([name, value]) => `export ${name}='${value}'`);
  const script = `#!/bin/sh
[ "$1" != --version ] || { echo "nix (Nix) 2.31.2"; exit 0; }
${variables.join("\n")}
export HOME=${folder}
PATH=\${PATH#*:}
echo "$PWD: $*" >>${folder}/asked
for word; do
  shift
  # Overriding the inputs changes the lock file.
  [ "$word" = --no-update-lock-file ] || set -- "$@" "$word"
done
exec nix "$@" --override-input nixpkgs path:${doubles} --override-input nixos-hardware path:${testFolder}/hardware
`;
  await writeFile(join(folder, "bin/nix"), script);
  await chmod(join(folder, "bin/nix"), 0o755);
}

async function build(board: string, version = "1.2.3", project = projectFolder): Promise<Bundle> {
  const extras = ["agent", "firstboot", "hamlet", "lab-guest", "updater"].map((name) => ({
    path: join(testFolder, "programs", `${name}.mjs`),
    target: `usr/lib/hamlet/${name}.mjs`,
  }));
  for (const name of ["update.json", "release-root.json"]) {
    const path = join(folder, name);
    await writeFile(path, `${name} of ${board}`);
    extras.push({ path, target: `usr/lib/hamlet/${name}` });
  }
  return buildNixosBundle(
    { board: boardNamed(board), version, extras, npm, projectFolder: project },
    run,
    silentProgress,
  );
}

/** The root filesystem's files, unpacked into a folder of their own. */
async function unpackRoot(bundle: Bundle): Promise<string> {
  const root = await mkdtemp(join(folder, "root-"));
  await run(["fsck.erofs", `--extract=${root}`, "--overwrite", "--preserve-perms", join(bundle.folder, "root.erofs")]);
  return root;
}

test.skipIf(needs)("a Nix bundle for a UEFI board becomes a disk image", async () => {
  expect(nuc).toMatchObject({
    board: "nuc",
    version: "1.2.3",
    builtS: 1_700_000_000,
    parts: { nixos: expect.any(Number) },
  });
  const output = join(folder, "out.img");
  await assembleImage(nuc, output, run, silentProgress);
  const { inputs, partitions } = await inspectImage(output);
  expect(inputs).toBe(nuc.inputs);
  expect(partitions.map(({ label }) => label)).toEqual(["esp", "root-a", "verity-a", "root-b", "verity-b", "data"]);
  const told = await run([
    "/sbin/veritysetup",
    "verify",
    join(nuc.folder, "root.erofs"),
    join(nuc.folder, "verity.img"),
    nuc.verity.rootHash,
  ]);
  expect(told).not.toContain("failed");
  expect(await readFile(join(nuc.folder, "cmdline"), "utf8")).toBe(
    `${kernelArgumentsOf(boardNamed("nuc"), "nixos").join(" ")} hamlet.verity=${nuc.verity.rootHash} hamlet.blocks=${nuc.verity.dataBlocks}`,
  );
});

test.skipIf(needs)(
  "a Nix bundle for a Raspberry Pi becomes a disk image with firmware, device trees and overlays",
  async () => {
    const bundle = await build("rpi4");
    // The vendor's kernel has names of its own.
    expect(await readFile(join(bundle.folder, "cmdline"), "utf8")).toContain("console=ttyS0,115200");
    expect(await readFile(join(bundle.folder, "config.txt"), "utf8")).not.toContain("cm4-io");
    expect(Object.keys(bundle.files)).toEqual(
      expect.arrayContaining([
        "config.txt",
        "boot/start4.elf",
        "boot/bcm2711-rpi-4-b.dtb",
        "boot/bcm2711-rpi-cm4.dtb",
        "boot/overlays/disable-bt.dtbo",
      ]),
    );
    const output = join(folder, "out.img");
    await assembleImage(bundle, output, run, silentProgress);
    expect(await inspectImage(output)).toMatchObject({ board: "rpi4", inputs: bundle.inputs });
  },
);

test.skipIf(needs)("the bill of materials is valid and lists every store path and our own programs", async () => {
  const text = await readFile(join(nuc.folder, "sbom.cdx.json"), "utf8");
  expect(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text)).toBeNull();
  const { components, metadata } = Sbom.parse(JSON.parse(text));
  expect(metadata.component).toMatchObject({ name: "hamlet-nuc", version: "1.2.3" });
  const named = components.map(({ name, version, purl }) => [name, version, purl]);
  expect(named).toContainEqual(["agent.mjs", "1.2.3", undefined]);
  expect(named).toContainEqual(["zod", expect.any(String), expect.stringMatching(/^pkg:npm\/zod@/)]);
  expect(named).toContainEqual(["gtk+", "3.24.1", "pkg:nix/gtk%2B@3.24.1"]);
  const root = await unpackRoot(nuc);
  expect(await readFile(join(root, sbomPath), "utf8")).toBe(text);
  const inRoot = await readdir(join(root, folder, "store"));
  const listed = components.flatMap((one) => one.properties?.map(({ value }) => basename(value)) ?? []);
  // Kernel and initrd are outside the root.
  const outside = ["busybox", "dmsetup", "linux"];
  const isOutside = (name: string) => outside.includes(name.slice(33));
  expect(listed.filter((name) => !isOutside(name)).sort()).toEqual(inRoot.sort());
  expect(listed.filter(isOutside)).toHaveLength(3);
});

test.skipIf(needs)("the root has every file where the initrd and the units look for it", async () => {
  const root = await unpackRoot(nuc);
  for (const name of [
    ...["usr/lib/systemd/systemd", "usr/sbin/e2fsck", "bin/sh", "etc/machine-id", "etc/passwd", "usr/lib/os-release"],
    ...[
      "usr/lib/hamlet/node",
      "usr/lib/hamlet/agent.mjs",
      "usr/lib/hamlet/updater.mjs",
      "usr/lib/hamlet/grow-data",
      "usr/bin/hamlet",
    ],
    ...["lib/modules/6.0/dm-mod.ko", "etc/systemd/system.conf.d/hamlet.conf", "usr/lib/hamlet/system/sw/bin/hamlet"],
  ]) {
    expect((await stat(within(root, name))).isFile(), name).toBe(true);
  }
  const first = await readFile(within(root, "usr/lib/systemd/systemd"), "utf8");
  const [, systemd = ""] = /^exec (\S+) "\$@"$/m.exec(first)!;
  expect((await stat(within(root, systemd))).isFile(), first).toBe(true);
  for (const name of ["dev", "efi", "proc", "run", "sys", "tmp", "var"])
    expect(existsSync(join(root, name))).toBe(true);
  expect(await readlink(join(root, "etc/hostname"))).toBe("/var/lib/hamlet/system/hostname");
  expect(JSON.parse(await readFile(within(root, "etc/hamlet/agent.json"), "utf8"))).toMatchObject({
    board: "nuc",
    release: "1.2.3",
  });
  const release = { board: "nuc", version: "1.2.3", builtS: 1_700_000_000 };
  expect(JSON.parse(await readFile(join(root, "usr/lib/hamlet/release.json"), "utf8"))).toEqual(release);
  // Files of their own: whoever inspects the image reads them without following links.
  for (const name of ["update.json", "release-root.json"]) {
    const path = join(root, "usr/lib/hamlet", name);
    expect([lstatSync(path).isFile(), await readFile(path, "utf8")]).toEqual([true, `${name} of nuc`]);
  }
  // The root has every program that a unit names.
  const units = execFileSync("find", [root, "-name", "hamlet-*.service"]).toString().trim().split("\n");
  const timers = execFileSync("find", [root, "-name", "hamlet-*.timer"]).toString();
  expect([...units, timers].join("\n")).toMatch(/hamlet-updater\.service[\s\S]*hamlet-verdict\.timer/);
  expect(units.length).toBeGreaterThan(4);
  for (const unit of units) {
    const [, program = ""] = /^ExecStart=-?(\S+)/m.exec(await readFile(unit, "utf8"))!;
    expect((await stat(within(root, program))).isFile(), `${unit}: ${program}`).toBe(true);
  }
});

test.skipIf(needs || lacks("systemd-analyze"))("systemd finds no fault with the units that Nix renders", async () => {
  const root = await unpackRoot(nuc);
  await furnish(root);
  const folders = execFileSync("find", [root, "-path", "*-hamlet-*/lib/systemd/system"]).toString().trim().split("\n");
  expect(folders).toHaveLength(2);
  const names: string[] = [];
  for (const folder of folders) {
    for (const name of (await readdir(folder)).filter((one) => !one.endsWith(".d"))) {
      await cp(join(folder, name), join(root, "etc/systemd/system", name));
      names.push(name);
    }
  }
  expect(await complaints(root, names)).toEqual([]);
});

/** Resolves `name` with `root` as the root folder, so that absolute links start there. */
function within(root: string, name: string): string {
  let place = root;
  const words = name.split("/").filter(Boolean);
  for (let step = 0; words.length > 0 && step < 100; step += 1) {
    const word = words.shift()!;
    const next = word === ".." ? dirname(place) : join(place, word);
    const target = lstatSync(next, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(next) : undefined;
    if (target === undefined) place = next;
    else {
      if (target.startsWith("/")) place = root;
      words.unshift(...target.split("/").filter(Boolean));
    }
  }
  return place;
}

test.skipIf(needs)("the root has the modes that a Debian root has, which the store does not keep", async () => {
  const modes: Record<string, string> = {};
  const root = await unpackRoot(nuc);
  for (const path of ["tmp", "root", "etc/shadow", "etc/sudoers", "etc/passwd"]) {
    modes[path] = (lstatSync(join(root, path)).mode & 0o7777).toString(8);
  }
  // Debian's shadow is 0640 root:shadow; here root alone reads it.
  expect(modes).toEqual({
    tmp: "1777",
    root: "700",
    "etc/shadow": "400",
    "etc/sudoers": "440",
    "etc/passwd": "644",
  });
});

test.skipIf(needs)("root has no password, but is not locked: sshd lets it log in by key", async () => {
  const root = await unpackRoot(nuc);
  const shadow = await readFile(within(root, "etc/shadow"), "utf8");
  expect(shadow).toMatch(/^root:\*:/m);
  expect(shadow).toMatch(/^hamlet:!/m);
  expect(await readFile(within(root, "etc/passwd"), "utf8")).toMatch(/^hamlet:x:990:990:/m);
});

test.skipIf(needs)(
  "the root has the firmware that its drivers ask for, or an older version, and no other",
  async () => {
    const root = await unpackRoot(nuc);
    const found = await readdir(within(root, "usr/lib/firmware"), { recursive: true, withFileTypes: true });
    expect(
      found
        .filter((one) => one.isFile())
        .map(({ name }) => name)
        .sort(),
    ).toEqual([
      // Of the Raspberry Pis', by name.
      "brcmfmac43455-sdio.bin",
      // The newest below the 89 that the driver asks for, and its companion.
      "iwlwifi-ty-a0-gf-a0-77.ucode.zst",
      "iwlwifi-ty-a0-gf-a0.pnvm.zst",
      "rtl8168g-2.fw",
    ]);
    const store = await readdir(join(root, folder, "store"));
    expect(store.filter((name) => /^.{32}-(firmware|linux-firmware)$/.test(name))).toEqual([]);
  },
);

test.skipIf(needs)("the same input gives the same bytes, from an empty store that shares equal files", async () => {
  const digests = (bundle: Bundle) =>
    Object.fromEntries(Object.entries(bundle.files).map(([name, { sha256 }]) => [name, sha256]));
  const before = digests(nuc);
  await makeWritable(folder);
  await rm(join(folder, "store"), { recursive: true });
  await rm(join(folder, "var"), { recursive: true });
  const script = join(folder, "bin/nix");
  const plain = await readFile(script, "utf8");
  await writeFile(script, plain.replace("substitute = false", "substitute = false\nauto-optimise-store = true"));
  const again = await build("nuc");
  await writeFile(script, plain);
  expect((await readdir(join(folder, "store/.links"))).length).toBeGreaterThan(1);
  expect(again.inputs).toBe(nuc.inputs);
  expect(digests(again)).toEqual(before);
});

test.skipIf(needs)(
  "a root that does not fit its slot is compressed, and refused with sizes if that is not enough",
  async () => {
    const bytes = nuc.files["root.erofs"]!.sizeBytes;
    const project = join(folder, "project");
    for (const part of ["nix", "image", "agent/units", "provisioning/firstboot", "ota/updater/units", "package.json"]) {
      await cp(join(projectFolder, part), join(project, part), { recursive: true });
    }
    const path = join(project, "nix/layout.json");
    const layout = await readFile(path, "utf8");
    const withSlotOf = async (slotBytes: number) => {
      const sizeMiB = slotBytes / (1 << 20);
      await writeFile(path, layout.replaceAll(/("label": "root-[ab]", "sizeMiB": )1024/g, `$1${sizeMiB}`));
      return build("nuc", "1.2.3", project);
    };
    expect(nuc.compression).toBeUndefined();
    const packed = await withSlotOf(bytes - 4096);
    expect(packed.compression).toBe("lz4hc");
    expect(packed.files["root.erofs"]!.sizeBytes).toBeLessThan(bytes);
    // The table of what is in it, largest first.
    const rows = (await readFile(join(packed.folder, "sizes.tsv"), "utf8"))
      .trim()
      .split("\n")
      .map((row) => row.split("\t"));
    expect(rows.map(([size]) => Number(size))).toEqual(rows.map(([size]) => Number(size)).sort((a, b) => b - a));
    expect(rows.map(([, name]) => name!.slice(33))).toContain("systemd");
    await expect(withSlotOf(65_536)).rejects.toMatchObject({
      code: "build.failed",
      message: expect.stringMatching(
        /^the root filesystem has \d+ MiB compressed; a slot of nuc holds 1 MiB.*\n +\d+ MiB {2}systemd/,
      ),
      hint: expect.stringContaining("nix/layout.json"),
    });
  },
);

test.skipIf(needs)("a different version changes the digest of the inputs", async () => {
  const newer = await build("nuc", "1.2.4");
  expect(newer.version).toBe("1.2.4");
  expect(newer.inputs).not.toBe(nuc.inputs);
});

test.skipIf(needs)("reading refuses a bundle that changed after Nix built it", async () => {
  const copy = join(folder, "copy");
  await cp(nuc.folder, copy, { recursive: true, dereference: true });
  await chmod(join(copy, "kernel"), 0o644);
  await writeFile(join(copy, "kernel"), "KERNEL\n");
  await expect(readBundle(copy)).rejects.toMatchObject({
    code: "bundle.invalid",
    message: expect.stringContaining("kernel"),
  });
});

test.skipIf(needs)("the builder stages everything that Nix needs and removes it after the build", async () => {
  const asked = await readFile(join(folder, "asked"), "utf8");
  expect(asked).toContain("--no-update-lock-file");
  const [, source = ""] = /^(.+): .*path:\.#bundle-nuc/m.exec(asked)!;
  expect(source).not.toBe("");
  expect(existsSync(source)).toBe(false);
});
