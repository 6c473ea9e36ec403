// Runs root's script that publishes the agent's notices, unchanged, on a folder that acts as the device.
import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { reportBlock } from "../../../provisioning/handover/report.ts";
import { lacks } from "../../lacks.ts";
import { agentUser, asAgent } from "../handover/attacker.ts";

const script = join(import.meta.dirname, "../../../provisioning/firstboot/tell");
const report = reportBlock({ name: "attic", board: "nuc", release: "0.1.0", problems: [] });

let root: string;
const at = (path: string) => join(root, path);
const put = async (path: string, content: string | Buffer) => {
  await mkdir(dirname(at(path)), { recursive: true });
  await writeFile(at(path), content);
};
const text = (path: string) => readFile(at(path), "utf8").catch(() => undefined);
const tell = () => execFileSync("sh", [script], { env: { ...process.env, HAMLET_ROOT: root }, stdio: "pipe" });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-tell-"));
  await put("sys/class/tty/console/active", "tty0 ttyS0\n");
  for (const console of ["dev/tty1", "dev/ttyS0"]) await put(console, "");
  await put("efi/hamlet/report.txt", Buffer.alloc(4096, "\n"));
  await put("var/lib/hamlet/system/hostname", "hamlet\n");
  await put("proc/sys/kernel/hostname", "hamlet");
  await put("run/hamlet/console.txt", "Hamlet: attic\n█▀▄ █\n");
  await put("run/hamlet/report.txt", report);
  await put("run/hamlet/name", "attic\n");
});
afterEach(() => rm(root, { recursive: true, force: true }));

test("the card goes to each console, the report to the boot partition in place, the name to the hostname", async () => {
  const before = await stat(at("efi/hamlet/report.txt"));
  tell();
  expect([await text("dev/tty1"), await text("dev/ttyS0")]).toEqual(Array(2).fill("Hamlet: attic\n█▀▄ █\n"));
  expect((await readFile(at("efi/hamlet/report.txt"))).equals(report)).toBe(true);
  expect((await stat(at("efi/hamlet/report.txt"))).ino).toBe(before.ino);
  expect([await text("var/lib/hamlet/system/hostname"), await text("proc/sys/kernel/hostname")]).toEqual([
    "attic\n",
    "attic",
  ]);
});

test("unchanged notices are not written again; changed ones are", async () => {
  tell();
  for (const path of ["dev/ttyS0", "efi/hamlet/report.txt", "proc/sys/kernel/hostname"]) await put(path, "untouched");
  tell();
  expect([
    await text("dev/ttyS0"),
    await text("efi/hamlet/report.txt"),
    await text("proc/sys/kernel/hostname"),
  ]).toEqual(Array(3).fill("untouched"));
  await put("dev/ttyS0", "");
  await put("run/hamlet/console.txt", "Hamlet: cellar\n");
  tell();
  expect(await text("dev/ttyS0")).toBe("Hamlet: cellar\n");
});

test("a new hostname, its rename included, is on the disk before the kernel gets it", async () => {
  await put(
    "bin/sync",
    `#!/bin/sh\n{ echo "$@"; cat "$HAMLET_ROOT/proc/sys/kernel/hostname"; } >"$HAMLET_ROOT/synced"\n`,
  );
  await chmod(at("bin/sync"), 0o755);
  const PATH = `${at("bin")}:${process.env["PATH"]}`;
  execFileSync("sh", [script], { env: { ...process.env, PATH, HAMLET_ROOT: root }, stdio: "pipe" });
  expect(await text("synced")).toBe(`${at("var/lib/hamlet/system")}\nhamlet`);
});

test("after a restart, a report that is already on the card is not written again", async () => {
  tell();
  const before = await stat(at("efi/hamlet/report.txt"), { bigint: true });
  await rm(at("run/hamlet-tell"), { recursive: true });
  tell();
  expect((await stat(at("efi/hamlet/report.txt"), { bigint: true })).mtimeNs).toBe(before.mtimeNs);
});

test.each([
  ["a terminal escape sequence", "console.txt", "Hamlet \u001b[2J\n", "dev/ttyS0", ""],
  ["a C1 control", "console.txt", "Hamlet \u009b2J\n", "dev/ttyS0", ""],
  ["a name with a dot", "name", "attic.local\n", "var/lib/hamlet/system/hostname", "hamlet\n"],
  ["two names", "name", "attic\ncellar\n", "var/lib/hamlet/system/hostname", "hamlet\n"],
  ["half a report", "report.txt", "all is well", "efi/hamlet/report.txt", "\n".repeat(4096)],
])("%s goes no further", async (_, file, content, target, kept) => {
  await put(join("run/hamlet", file), content);
  tell();
  expect(await text(target)).toBe(kept);
});

test("the script follows no link in the agent's folder, so it never publishes what only root may read", async () => {
  await put("secret", report.toString().replace("attic", "canary"));
  for (const file of ["console.txt", "report.txt", "name"]) {
    await rm(at(join("run/hamlet", file)));
    await symlink(at("secret"), at(join("run/hamlet", file)));
  }
  tell();
  expect([await text("dev/ttyS0"), await text("efi/hamlet/report.txt")]).toEqual(["", "\n".repeat(4096)]);
});

test.skipIf(lacks("root", "perl")).each([
  ["a pipe", "POSIX::mkfifo($ARGV[0], 0600) or die $!"],
  ["a link to /dev/zero", 'symlink "/dev/zero", $ARGV[0] or die $!'],
  ["a folder", "mkdir $ARGV[0] or die $!"],
  ["a terabyte of holes", 'open(my $f, ">", $ARGV[0]) or die $!; truncate($f, 1 << 40) or die $!'],
  ["root's file by another name", "link $ARGV[1], $ARGV[0]; exit 0"],
])("p2: %s in the agent's folder neither blocks the script nor is published", async (_, script) => {
  await chmod(root, 0o755);
  await chown(at("run/hamlet"), agentUser.uid, agentUser.gid);
  await put("secret", report.toString().replace("attic", "canary"));
  await chmod(at("secret"), 0o600);
  for (const file of ["console.txt", "report.txt", "name"]) {
    await rm(at(join("run/hamlet", file)));
    asAgent(at("run/hamlet"), script, file, at("secret"));
  }
  tell();
  expect([await text("dev/ttyS0"), await text("efi/hamlet/report.txt")]).toEqual(["", "\n".repeat(4096)]);
  expect(await text("var/lib/hamlet/system/hostname")).toBe("hamlet\n");
});

test("the script succeeds without a boot partition, consoles or notices", async () => {
  await rm(at("efi"), { recursive: true });
  await rm(at("dev"), { recursive: true });
  tell();
  expect(await text("var/lib/hamlet/system/hostname")).toBe("attic\n");
  await rm(at("run/hamlet"), { recursive: true });
  tell();
});
