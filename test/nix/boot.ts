// A NixOS bundle boots in the lab beside a Debian one. HAMLET_NIXPKGS is the path of a tree: nix/README.md says what it must have.
import assert from "node:assert/strict";
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { z } from "zod";
import { isWhole } from "../../image/lab/supervisor/whole.ts";
import { parseJson, readJson } from "../../system/files.ts";
import { cacheFolder } from "../../system/paths.ts";
import { testImage, testUpdates } from "../boot/image.ts";
import { bootLab, deviceOf, runHamlet, type TestLab } from "../boot/lab.ts";
import { testFolder } from "./nix.ts";

/** What the tree says of its packages. */
const Doubles = z.strictObject({
  from: z.string().describe("whose files they are"),
  packages: z.array(z.string()).describe("names in nixpkgs"),
  standIns: z.record(z.string(), z.string()).default({}).describe("packages of which these are not the files either"),
  cannotStart: z.record(z.string(), z.string()).default({}).describe("units that therefore fail, each with the reason"),
});
type Doubles = z.infer<typeof Doubles>;

/** Attic is NixOS, cellar Debian. Returns what of attic was NixOS's and what was not. */
export async function proveNixos(): Promise<string> {
  const tree = process.env["HAMLET_NIXPKGS"];
  if (!tree) throw new Error("needs HAMLET_NIXPKGS: a NixOS bundle in the lab is unproven");
  const doubles = await readJson(join(tree, "doubles.json"), Doubles);
  await using lab = await bootLab({ images: [await nixosImage(tree), await testImage()], devices: 2 });
  // The updater says which slot runs.
  await lab.until((status) => isWhole(status) && deviceOf(status, "attic").slot === "a");
  await isFirewalled(lab);
  await letsRootIn(lab);
  const failed = await failedUnits(lab);
  const unexpected = failed.filter((unit) => !(unit in (doubles?.cannotStart ?? {})));
  assert.deepEqual(unexpected, [], `failed: ${unexpected.join(", ")}`);
  assert.deepEqual(await listening(lab, "attic"), await listening(lab, "cellar"));
  return describe(doubles, failed);
}

function describe(doubles: Doubles | undefined, failed: string[]): string {
  if (!doubles) return "modules and packages of nixpkgs";
  const list = (entries: [string, string | undefined][]) =>
    entries.map(([name, what]) => `${name}: ${what}`).join(", ");
  return [
    "modules of NixOS",
    `${doubles.from}: ${doubles.packages.join(", ")}`,
    list(Object.entries(doubles.standIns)),
    list(failed.map((unit) => [unit, `failed, ${doubles.cannotStart[unit]}`])),
  ]
    .filter(Boolean)
    .join("; ");
}

/** Builds the image as a user would, with a `nix` that takes the tree in place of the flake's inputs. */
async function nixosImage(tree: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-nixos-boot-"));
  try {
    await putNix(folder, tree);
    const { repository, releaseRoot } = await testUpdates();
    const output = join(cacheFolder(), "nixos-image");
    const build = ["image", "build", "--base", "nixos", "--board", "nuc", "-o", output, "--json"];
    const { code, stdout, stderr } = await runHamlet(
      [...build, "--repository", repository, "--release-root", releaseRoot],
      { PATH: `${folder}${delimiter}${process.env["PATH"]}` },
    );
    assert.equal(code, 0, stderr);
    return z.object({ path: z.string() }).parse(parseJson(stdout)).path;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function putNix(folder: string, tree: string): Promise<void> {
  const nixpkgs = join(folder, "nixpkgs");
  await mkdir(nixpkgs);
  await copyFile(join(testFolder, "tree.nix"), join(nixpkgs, "tree.nix"));
  await writeFile(join(nixpkgs, "flake.nix"), `{ outputs = _: import ./tree.nix ${tree}; }\n`);
  const hardware = process.env["HAMLET_NIXOS_HARDWARE"] ?? join(tree, "nixos-hardware");
  // --impure: the tree is read where it is, not copied into the store.
  const script = `#!/bin/sh
PATH=\${PATH#*:}
[ "$1" != --version ] || exec nix --version
for word; do
  shift
  # Overriding the inputs changes the lock file.
  [ "$word" = --no-update-lock-file ] || set -- "$@" "$word"
done
exec nix "$@" --impure --override-input nixpkgs path:${nixpkgs} --override-input nixos-hardware path:${hardware}
`;
  await writeFile(join(folder, "nix"), script);
  await chmod(join(folder, "nix"), 0o755);
}

async function told(lab: TestLab, device: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await lab.on(device, "sh", "-c", script);
  assert.equal(code, 0, `${device}: ${script}: ${stderr}`);
  return stdout;
}

/** NixOS's own table: without it every port would be open. */
async function isFirewalled(lab: TestLab): Promise<void> {
  const rules = await told(lab, "attic", "nft list table inet nixos-fw");
  assert.match(rules, /policy drop/);
  assert.match(rules, /tcp dport \{[^}]*\b22\b[^}]*\} accept/);
}

async function letsRootIn(lab: TestLab): Promise<void> {
  const script = `set -e
    keys=/var/lib/hamlet/root/ssh
    mkdir -p $keys
    ssh-keygen -q -t ed25519 -N '' -f /run/test-key
    cat /run/test-key.pub >>$keys/authorized_keys
    systemctl start sshd.service
    ssh -i /run/test-key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 id -u`;
  assert.equal((await told(lab, "attic", script)).trim(), "0");
}

async function failedUnits(lab: TestLab): Promise<string[]> {
  const lines = (await told(lab, "attic", "systemctl list-units --failed --plain --no-legend")).trim().split("\n");
  return lines.filter(Boolean).map((line) => line.split(" ")[0]!);
}

/** Ports that may be open on one of the two alone. */
const ownPorts: Record<string, string> = {
  "tcp 22": "sshd: only attic was given a key",
  "tcp 1883": "the broker: one member of a neighborhood is it",
  "udp 68": "networkd's: newer versions of systemd have leases without holding it",
};

/** Protocol and port of each. */
async function listening(lab: TestLab, device: string): Promise<string[]> {
  const lines = (await told(lab, device, "ss -Hlntu")).trim().split("\n");
  const ports = lines.map((line) => {
    const [protocol, , , , address] = line.split(/\s+/);
    return `${protocol} ${address!.slice(address!.lastIndexOf(":") + 1)}`;
  });
  // Above 32767: the kernel chose it.
  return [...new Set(ports)].filter((port) => !(port in ownPorts) && Number(port.split(" ")[1]) < 32_768).sort();
}
