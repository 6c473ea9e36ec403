// The build script of a NixOS root refuses what would be wrong on a device: a file of another owner, an id that two accounts share.
import { execFile } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lacks } from "../lacks.ts";
import { makeNix, makeWritable, nixFolder, testFolder } from "./nix.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-nixos-root-"));
  await mkdir(join(folder, "etc"));
  await mkdir(join(folder, "systemd"));
  await writeFile(join(folder, "systemd/systemd"), "");
  await put("passwd", "root:x:0:0::/:/bin/sh\nhamlet:x:990:990::/:/bin/sh\n", "0644");
  await put("group", "root:x:0:\nhamlet:x:990:\n", "0644");
  await put("shadow", "root:*:1::::::\n", "0000");
});
afterEach(async () => {
  await makeWritable(folder);
  await rm(folder, { recursive: true, force: true });
});

async function put(name: string, text: string, mode: string, owner = "+0"): Promise<void> {
  const path = join(folder, "etc", name);
  await writeFile(path, text);
  await writeFile(`${path}.mode`, mode);
  for (const id of ["uid", "gid"]) await writeFile(`${path}.${id}`, owner);
}

/** Runs the script and returns its list of modes. */
async function makeRoot(): Promise<string[]> {
  const out = join(folder, "out");
  const env = {
    ...{ PATH: process.env["PATH"], out, etc: join(folder, "etc"), systemd: join(folder, "systemd") },
    ...{ links: "etc/os-release=../usr/lib/os-release", packages: "", osRelease: "", release: "{}" },
  };
  await promisify(execFile)("sh", [join(nixFolder, "root.sh")], { env });
  return (await readFile(join(out, ".modes"), "utf8")).trim().split("\n");
}

test("a root lists the modes that the store would lose", async () => {
  await put("sudoers", "", "0440");
  expect(await makeRoot()).toEqual([
    ...["1777 tmp", "0700 root"],
    ...["0644 etc/group", "0644 etc/passwd", "0000 etc/shadow", "0440 etc/sudoers"],
  ]);
});

test("a root refuses a file that another than root must own", async () => {
  await put("secret", "", "0640", "+42");
  await expect(makeRoot()).rejects.toThrow("etc/secret must belong to another than root");
});

test.each([
  ["passwd", "gitea:x:990:1::/:/bin/sh\n"],
  ["group", "gitea:x:990:\n"],
])("a root refuses two entries of /etc/%s with one id", async (name, entry) => {
  await appendFile(join(folder, "etc", name), entry);
  await expect(makeRoot()).rejects.toThrow(`two entries of /etc/${name} have the id 990`);
});

test.skipIf(lacks("nix-build"))("a root refuses to refer to all of the firmware", async () => {
  await using nix = await makeNix();
  const build = (text: string) =>
    nix.build(`
      let
        lib = import ${testFolder}/lib.nix;
        pkgs = import ${testFolder}/pkgs.nix { inherit lib; };
        all = pkgs.runCommand "all-firmware" { } "mkdir $out; exit 0";
        ours = pkgs.runCommand "ours" { } "mkdir -p $out/lib/hamlet; echo one >$out/lib/hamlet/one; exit 0";
      in import ${nixFolder}/root.nix {
        inherit lib;
        inherit (pkgs) runCommand systemd;
        kernelFirmware = all;
        firmware = pkgs.coreutils; modules = pkgs.coreutils; path = pkgs.coreutils; nodejs = pkgs.coreutils;
        agent = ours; appliance = ours;
        etc = pkgs.etcOf { note = { enable = true; text = "${text}"; source = null; mode = "symlink"; user = "+0"; }; } { } { };
        about = { }; builtS = 1; osRelease = "";
      }`);
  expect(await build("none")).toMatch(/-hamlet-root$/);
  await expect(build("path=$" + "{all}")).rejects.toThrow("all-firmware");
});
