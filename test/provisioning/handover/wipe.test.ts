// Each test holds the file open during the wipe: the handle then reads what the sectors hold.
import { spawn } from "node:child_process";
import {
  copyFile,
  type FileHandle,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { beginMove, finishMove, hideIdentity } from "../../../provisioning/firstboot/move.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { resetIfRequested } from "../../../provisioning/firstboot/reset.ts";
import { takeFromImager } from "../../../provisioning/firstboot/take-imager.ts";
import { isThere } from "../../../provisioning/handover/files.ts";
import { wipe, wipeInside } from "../../../provisioning/handover/wipe.ts";
import { silentLog } from "../../../system/log.ts";

let root: string;
let paths: Paths;
let held: FileHandle[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-wipe-"));
  paths = pathsUnder(root);
  held = [];
});
afterEach(async () => {
  for (const file of held) await file.close();
  await rm(root, { recursive: true, force: true });
});

async function hold(path: string, content = "canary"): Promise<() => Promise<string>> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  const file = await open(path, "r");
  held.push(file);
  return async () => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(content.length + 1), 0, content.length + 1, 0);
    return buffer.toString("latin1", 0, bytesRead);
  };
}
const zeros = (length: number) => "\0".repeat(length);

test("a wipe overwrites a file of any length to its last byte and removes it", async () => {
  const long = "canary ".repeat(100_000);
  const [short, deep] = [await hold(join(root, "a/key")), await hold(join(root, "a/b/c"), long)];
  await wipe(join(root, "a"));
  expect(await short()).toBe(zeros(6));
  expect((await deep()) === zeros(long.length)).toBe(true);
  expect(await isThere(join(root, "a"))).toBe(false);
});

test("a wipe leaves kept files intact and ignores missing ones", async () => {
  const [kept, gone] = [await hold(join(root, "a/kept")), await hold(join(root, "a/gone"))];
  await wipeInside(join(root, "a"), [join(root, "a/kept")]);
  expect([await kept(), await gone(), await readdir(join(root, "a"))]).toEqual(["canary", zeros(6), ["kept"]]);
  await wipe(join(root, "nowhere"));
  await wipeInside(join(root, "nowhere"));
});

test("a wipe removes a link but not its target, because root wipes in a folder that the agent owns", async () => {
  const [theirs, shared] = [await hold(join(root, "theirs/file")), await hold(join(root, "shared"))];
  await mkdir(join(root, "a"));
  await symlink(join(root, "theirs/file"), join(root, "a/file"));
  await symlink(join(root, "theirs"), join(root, "a/folder"));
  await symlink(join(root, "nowhere"), join(root, "a/dangling"));
  await link(join(root, "shared"), join(root, "a/shared"));
  await wipe(join(root, "a"));
  expect([await theirs(), await shared(), await isThere(join(root, "a"))]).toEqual(["canary", "canary", false]);
  expect(await readFile(join(root, "theirs/file"), "utf8")).toBe("canary");
});

test("a file that cannot be overwritten is still removed", async () => {
  const program = join(root, "a/program");
  await mkdir(dirname(program));
  await copyFile("/bin/sleep", program);
  const child = spawn(program, ["60"]);
  try {
    await expect(open(program, "r+")).rejects.toMatchObject({ code: "ETXTBSY" });
    await wipe(join(root, "a"));
    expect(await isThere(join(root, "a"))).toBe(false);
  } finally {
    child.kill();
  }
});

test("a reset overwrites identity, Wi-Fi password, Imager's settings and the SSH host keys", async () => {
  const secrets = [
    paths.identity,
    paths.wpaSupplicant,
    paths.imager,
    join(paths.rootFolder, "ssh/ssh_host_ed25519_key"),
  ];
  const reads = await Promise.all(secrets.map((path) => hold(path)));
  await writeFile(paths.resetRequest, "{}");
  await writeFile(await folderOf(paths.kernelHostname), "attic");
  expect(await resetIfRequested(paths)).toBe(true);
  for (const read of reads) expect(await read()).toBe(zeros(6));
  for (const path of [...secrets, paths.resetRequest]) expect(await isThere(path)).toBe(false);
});

test("a moved identity is overwritten in its old place", async () => {
  const read = await hold(paths.identity);
  const psk = await hold(paths.wpaSupplicant);
  await writeFile(await folderOf(join(paths.blocks, "sda/wwid")), "disk 1");
  await writeFile(await folderOf(join(paths.dev, "sda")), Buffer.alloc(8192));
  await beginMove(paths, { v: 1, disk: "disk 1", guid: "00000000-0000-0000-0000-000000000001" });
  await hideIdentity(paths);
  // Provisioned again: the old identity does not come back.
  const identity = { provision: { token: "a.b.c", neighborhood: { id: "a".repeat(26) } } };
  await writeFile(await folderOf(paths.identity), JSON.stringify(identity));
  await finishMove(paths, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
  expect([await read(), await psk()]).toEqual([zeros(6), "canary"]);
});

test("Imager's files are overwritten on the card", async () => {
  const card = "#cloud-config\nhostname: attic\n";
  const read = await hold(join(paths.bootFolder, "user-data"), card);
  expect((await takeFromImager(paths, silentLog)).settings).toEqual({ name: "attic" });
  expect([await read(), await readdir(paths.bootFolder)]).toEqual([zeros(card.length), []]);
});

async function folderOf(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  return path;
}
