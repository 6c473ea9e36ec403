import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { guidOf, writeGpt } from "../../../image/disk/gpt.ts";
import { readDisks } from "../../../provisioning/firstboot/disks.ts";
import { beginMove, finishMove, hideIdentity } from "../../../provisioning/firstboot/move.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";

const id = "a".repeat(26);
const identityOf = (name: string) => JSON.stringify({ provision: { token: "a.b.c", neighborhood: { id }, name } });
const agent = { uid: process.getuid?.() || 990, gid: process.getgid?.() || 990 };
const guid = guidOf("the new disk");
let root = "";
let paths: Paths;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-moving-"));
  paths = pathsUnder(root);
  await put(paths.identity, '{"secret":"attic"}');
  await put(join(paths.rootFolder, "ssh/authorized_keys"), "ssh-ed25519 me");
  await put(paths.machineId, "0123");
  await put(join(paths.systemFolder, "grown"), "");
  await put(join(paths.blocks, "sda/device/wwid"), "disk 1\n");
  await put(join(paths.dev, "sda"), Buffer.alloc(8192));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
const giveTable = (own: string) => put(join(paths.dev, "sda"), writeGpt(1000, own, []).head);
const identity = () => readFile(paths.identity, "utf8").catch(() => undefined);
const begin = () => beginMove(paths, { v: 1, disk: "disk 1", guid });
const isGone = async () => {
  expect(await identity()).toBeUndefined();
  expect(await readdir(paths.rootFolder)).toEqual([]);
  expect(await readdir(paths.systemFolder)).toEqual(["grown"]);
  expect(await readdir(paths.agentFolder)).toEqual([]);
};

test("disks are recognized by their hardware and their partition table", async () => {
  expect(await readDisks(paths)).toEqual([{ id: "disk 1", path: join(paths.dev, "sda"), table: "blank" }]);
  await giveTable(guid);
  expect((await readDisks(paths))[0]?.table).toEqual({ guid });
  await rm(join(paths.dev, "sda"));
  expect((await readDisks(paths))[0]?.table).toBe("unreadable");
});

test("without a mark nothing happens", async () => {
  expect(await finishMove(paths, agent)).toBe("none");
  expect(await identity()).toContain("attic");
});

test("a move that was only begun changes nothing", async () => {
  await begin();
  expect(await finishMove(paths, agent)).toBe("stayed");
  expect([await identity(), await finishMove(paths, agent)]).toEqual([expect.stringContaining("attic"), "none"]);
});

test("a hidden identity comes back if the disk has no table", async () => {
  await begin();
  await hideIdentity(paths);
  expect(await identity()).toBeUndefined();
  // An agent that ran in between left a file.
  await put(join(paths.agentFolder, "board.json"), "{}");
  expect(await finishMove(paths, agent)).toBe("stayed");
  expect(await readdir(paths.agentFolder)).toEqual(["identity.json"]);
});

test.each([
  ["its table", guid],
  ["a table that its own first boot has renamed", guidOf("grown")],
])("a hidden identity is deleted here if the disk has %s", async (_, own) => {
  await begin();
  await hideIdentity(paths);
  await giveTable(own);
  expect(await finishMove(paths, agent)).toBe("moved");
  await isGone();
});

test("a hidden identity stays hidden as long as the disk is missing", async () => {
  await begin();
  await hideIdentity(paths);
  await rename(join(paths.blocks, "sda"), join(root, "sda"));
  for (let boots = 0; boots < 2; boots++) {
    expect(await finishMove(paths, agent)).toBe("unclear");
    expect(await identity()).toBeUndefined();
  }
  await rename(join(root, "sda"), join(paths.blocks, "sda"));
  await giveTable(guidOf("grown"));
  expect(await finishMove(paths, agent)).toBe("moved");
  await isGone();
});

test("a stick that was provisioned again meanwhile is a new device and forgets the old one", async () => {
  await begin();
  await hideIdentity(paths);
  await put(paths.identity, identityOf("cellar"));
  expect(await finishMove(paths, agent)).toBe("none");
  expect(await identity()).toContain("cellar");
  expect(await readdir(paths.rootFolder)).toEqual(["ssh"]);
});

test("an unreadable identity is not a new one and does not replace the old one", async () => {
  await begin();
  await hideIdentity(paths);
  await put(paths.identity, '{"provision":');
  await expect(finishMove(paths, agent)).rejects.toMatchObject({ code: "identity.invalid" });
  expect(await readdir(paths.hiddenAgent)).toEqual(["identity.json"]);
});

test("a wipe that a power cut interrupted is repeated", async () => {
  await begin();
  await hideIdentity(paths);
  await giveTable(guid);
  await rm(join(paths.rootFolder, "ssh"), { recursive: true });
  await rm(paths.machineId);
  expect(await finishMove(paths, agent)).toBe("moved");
  await isGone();
});

test("the unit may read the disks that it has to inspect", async () => {
  const unit = join(import.meta.dirname, "../../../provisioning/firstboot/hamlet-firstboot.service");
  expect(await readFile(unit, "utf8")).toMatch(/^DeviceAllow=block-\* r$/m);
});
