// Replacing keys: while something waits for a signature, of keys that are lost, and after a command that was killed.
import { mkdir, readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, test as everywhere, expect } from "vitest";
import { openRepository, readPublished, repositoryFolder } from "../../../ota/repository/folder.ts";
import { collectGarbage } from "../../../ota/repository/gc.ts";
import { publishImage } from "../../../ota/repository/publish.ts";
import { rotateKey } from "../../../ota/repository/rotate.ts";
import { signRepository } from "../../../ota/repository/sign.ts";
import { lacksImages, noise } from "./image.ts";
import { makePublisher, type Published, type Publisher, passphrase, seen, signAll, without } from "./publisher.ts";

const skipped = lacksImages();
const test = everywhere.skipIf(skipped);
const now = Date.now();

let publisher: Publisher;
/** With 0.1.0 of the nuc. */
let base: Published;
let update: string;
beforeAll(async () => {
  if (skipped) return;
  publisher = await makePublisher(now);
  const image = (version: string, seed: number) =>
    publisher.image({ version, files: { "usr/lib/own": noise(100_000, seed) } });
  base = await publisher.fresh();
  // Each key takes its time to open.
  for (const board of ["virt-arm64", "rpi3", "rpi4", "rpi5"]) await unlink(join(base.folder, `keys/${board}.key`));
  await publishImage(base.repository, await image("0.1.0", 1), { now });
  update = await image("0.2.0", 2);
});
afterAll(() => publisher?.[Symbol.asyncDispose]());
const fresh = () => publisher.fresh(base.folder);
const open = async ({ folder }: Published) => await publisher.open(folder);
const keyOf = async ({ folder }: Published, file: string): Promise<string> =>
  JSON.parse(await readFile(join(folder, `keys/${file}.key`), "utf8")).publicKey;
/** Whether the metadata that devices see names the key. */
async function names({ folder }: Published, publicKey: string): Promise<boolean> {
  const { root, targets } = await readPublished(folder);
  const all = JSON.stringify([root.signed.toJSON(), targets.signed.toJSON()]);
  return all.includes(Buffer.from(publicKey, "base64url").toString("hex"));
}

test("a release that waits for its signature stays when another key is replaced", async () => {
  const one = await fresh();
  await without(one, ["nuc"]);
  await publishImage(await open(one), update, { now });
  const rotated = await rotateKey(await open(one), "timestamp", { passphrase, now });
  expect(rotated).toMatchObject({ isReplaced: true, lacking: [{ role: "nuc", signatures: 1 }] });
  await collectGarbage(one.folder, { now });
  await rename(join(one.folder, "elsewhere/nuc.key"), join(one.folder, "keys/nuc.key"));
  expect((await signAll(await openRepository(one.folder, passphrase), now)).lacking).toEqual([]);
  expect(await seen(one)).toBe("0.2.0");
});

test("of several keys that are replaced while the root keys are elsewhere, one of them twice, none stays in force", async () => {
  const one = await fresh();
  await without(one, ["root-1", "root-2", "root-3"]);
  const old = [await keyOf(one, "timestamp"), await keyOf(one, "snapshot")];
  const lacking = [{ role: "root", signatures: 2 }];
  expect(await rotateKey(await open(one), "timestamp", { passphrase, now })).toMatchObject({
    isReplaced: false,
    lacking,
  });
  old.push(await keyOf(one, "timestamp.next"));
  expect(await rotateKey(await open(one), "timestamp", { passphrase, now })).toMatchObject({
    isReplaced: false,
    lacking,
  });
  expect(await rotateKey(await open(one), "snapshot", { passphrase, now })).toMatchObject({
    isReplaced: false,
    lacking,
  });
  for (const root of ["root-1", "root-2"])
    await rename(join(one.folder, `elsewhere/${root}.key`), join(one.folder, `keys/${root}.key`));
  expect((await signAll(await openRepository(one.folder, passphrase), now)).lacking).toEqual([]);
  for (const key of old) expect(await names(one, key)).toBe(false);
  expect((await readPublished(one.folder)).root.signed.version).toBe(2);
  expect((await readdir(join(one.folder, "keys"))).filter((name) => name.includes(".next."))).toEqual([]);
  expect(await seen(one)).toBe("0.1.0");
});

test("of a board whose release waits, the key is replaced, and the release waits for the new one", async () => {
  const one = await fresh();
  await without(one, ["snapshot"]);
  await publishImage(await open(one), update, { now });
  const { isReplaced } = await rotateKey(await open(one), "nuc", { passphrase, now });
  expect(isReplaced).toBe(false);
  await rename(join(one.folder, "elsewhere/snapshot.key"), join(one.folder, "keys/snapshot.key"));
  expect((await signAll(await openRepository(one.folder, passphrase), now)).lacking).toEqual([]);
  expect(await seen(one)).toBe("0.2.0");
});

test.each(["root-2", "targets", "snapshot", "timestamp", "nuc"])(
  "the key %s is replaced although it is lost",
  async (name) => {
    const one = await fresh();
    const lost = await keyOf(one, name);
    await unlink(join(one.folder, `keys/${name}.key`));
    expect(await rotateKey(await open(one), name, { passphrase, now })).toMatchObject({
      isReplaced: true,
      lacking: [],
    });
    expect(await names(one, lost)).toBe(false);
    expect(await names(one, await keyOf(one, name))).toBe(true);
    expect(await seen(one)).toBe("0.1.0");
  },
);

test("both of two root keys elsewhere are replaced by their names", async () => {
  const one = await fresh();
  await without(one, ["root-1", "root-3"]);
  const old = JSON.parse(await readFile(join(one.folder, "elsewhere/root-3.key"), "utf8")).publicKey;
  const { lacking } = await rotateKey(await open(one), "root-3", { passphrase, now });
  expect(lacking).toEqual([{ role: "root", signatures: 1 }]);
  await rename(join(one.folder, "elsewhere/root-1.key"), join(one.folder, "keys/root-1.key"));
  expect((await signAll(await openRepository(one.folder, passphrase), now)).lacking).toEqual([]);
  expect(await names(one, old)).toBe(false);
  expect(await names(one, await keyOf(one, "root-1"))).toBe(true);
});

test("a command that was killed before the new key got its old one's name: the next one finishes it", async () => {
  const one = await fresh();
  const key = join(one.folder, "keys/timestamp.key");
  const old = await readFile(key);
  await rotateKey(await open(one), "timestamp", { passphrase, now });
  await rename(key, join(one.folder, "keys/timestamp.next.key"));
  await writeFile(key, old);
  const first = await keyOf(one, "timestamp.next");
  const reopened = await openRepository(one.folder, passphrase);
  expect(await rotateKey(reopened, "timestamp", { passphrase, now })).toMatchObject({ isReplaced: true, lacking: [] });
  expect([await names(one, first), await names(one, await keyOf(one, "timestamp"))]).toEqual([false, true]);
  expect(await seen(one)).toBe("0.1.0");
});

test("a publisher that is killed before the new root goes on, although the old key is lost", async () => {
  const one = await fresh();
  await unlink(join(one.folder, "keys/timestamp.key"));
  await rotateKey(await open(one), "timestamp", { passphrase, now });
  // As it was two steps before the end.
  const root = join(repositoryFolder(one.folder), "metadata/2.root.json");
  await rename(join(one.folder, "keys/timestamp.key"), join(one.folder, "keys/timestamp.next.key"));
  await mkdir(join(one.folder, "staged"));
  await rename(root, join(one.folder, "staged/root.json"));
  const unfinished = { code: "ota.damaged", hint: expect.stringContaining("hamlet ota sign") };
  await expect(readPublished(one.folder)).rejects.toMatchObject(unfinished);
  const reopened = await openRepository(one.folder, passphrase);
  expect((await signRepository(reopened, now)).lacking).toEqual([]);
  expect((await readPublished(one.folder)).root.signed.version).toBe(2);
  expect(await seen(one)).toBe("0.1.0");
  expect(await readdir(join(one.folder, "keys"))).not.toContain("timestamp.next.key");
});

test("a staged root that lacks a signature is not taken for one whose writing was cut off", async () => {
  const one = await fresh();
  await without(one, ["root-1", "root-2"]);
  await rotateKey(await open(one), "timestamp", { passphrase, now });
  await rm(join(repositoryFolder(one.folder), "metadata/timestamp.json"));
  const damaged = { code: "ota.damaged", hint: expect.stringContaining("restore it") };
  await expect(openRepository(one.folder, passphrase)).rejects.toMatchObject(damaged);
});
