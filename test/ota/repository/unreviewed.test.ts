// What somebody without a key writes into the publisher's folder: no command signs it before a person has seen what it changes.
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metadata, Root, Targets } from "@tufjs/models";
import { afterAll, beforeAll, test as everywhere, expect } from "vitest";
import { openRepository, readPublished, repositoryFolder, stagedPath } from "../../../ota/repository/folder.ts";
import {
  addSignature,
  encodeDocument,
  keyIdOf,
  makeBoard,
  makeTarget,
  renewed,
  withKey,
} from "../../../ota/repository/metadata.ts";
import { publishImage } from "../../../ota/repository/publish.ts";
import { toReview } from "../../../ota/repository/review.ts";
import { rotateKey } from "../../../ota/repository/rotate.ts";
import { signRepository } from "../../../ota/repository/sign.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { lacksImages } from "./image.ts";
import { makePublisher, type Published, type Publisher, passphrase, seen, withOnly, without } from "./publisher.ts";

const skipped = lacksImages();
const test = everywhere.skipIf(skipped);
const dayMs = 86_400_000;
const now = Date.now();
const thief = generateSigningKey();

let publisher: Publisher;
/** With 0.1.0 of the nuc. */
let base: Published;
const images: string[] = [];

beforeAll(async () => {
  if (skipped) return;
  publisher = await makePublisher(now);
  images.push(...(await publisher.images(1, 3)));
  base = await publisher.fresh();
  await publishImage(base.repository, images[0]!, { now });
});
afterAll(() => publisher?.[Symbol.asyncDispose]());
const fresh = () => publisher.fresh(base.folder);
const open = async ({ folder }: Published) => await publisher.open(folder);
async function stage({ folder }: Published, role: string, document: Metadata<Root> | Metadata<Targets>) {
  await mkdir(join(folder, "staged"), { recursive: true });
  await writeFile(stagedPath(folder, role), encodeDocument(document));
}
const changesIn = async (one: Published, at = now) =>
  (await toReview(await open(one), at)).map(({ role, changes }) => [role, ...changes]);

/** The next root, whose keys are a thief's. */
function thievesRoot({ repository }: Published): Metadata<Root> {
  const { root } = repository.current;
  let next = renewed("root", root, now);
  for (const id of root.signed.roles["root"]!.keyIDs.slice(0, 2)) {
    next = withKey("root", next, id, generateSigningKey().publicKey, now);
  }
  return next;
}

/** A release of nobody. */
function thievesRelease({ repository }: Published): Metadata<Targets> {
  const before = repository.current.boards.get("nuc")!;
  const target = makeTarget({ name: "nuc/9.9.9.json", content: Buffer.from("{}"), publishedS: 1 });
  return makeBoard("nuc", [...Object.values(before.signed.targets), target], before.signed.version + 1, now);
}

test("a staged root of nobody gets no signature, by whichever command, and the rest goes on", async () => {
  const one = await fresh();
  const root = thievesRoot(one);
  await stage(one, "root", root);
  await publishImage(await open(one), images[1]!, { now });
  expect(await seen(one)).toBe("0.2.0");
  await rotateKey(await open(one), "nuc", { passphrase, now });
  const { placed, lacking } = await signRepository(await openRepository(one.folder, passphrase), now);
  expect(placed).toEqual(["timestamp"]);
  expect(lacking).toEqual([{ role: "root", signatures: 2 }]);
  // Also once the root in force is past half of its time.
  expect((await signRepository(await open(one), now + 200 * dayMs)).placed).not.toContain("root");
  expect((await readPublished(one.folder)).root.signed.version).toBe(1);
  expect(await readFile(stagedPath(one.folder, "root"), "utf8")).toBe(encodeDocument(root).toString());
});

test("a key that the staged root would change is not replaced before somebody has looked", async () => {
  const one = await fresh();
  await stage(one, "root", thievesRoot(one));
  const refused = { code: "ota.unreviewed", exitCode: 3, hint: expect.stringContaining("hamlet ota sign") };
  await expect(rotateKey(await open(one), "timestamp", { passphrase, now })).rejects.toMatchObject(refused);
  expect((await readdir(join(one.folder, "keys"))).filter((name) => name.includes(".next."))).toEqual([]);
});

test("one stolen root key does not make a publisher with two of them sign the thief's root", async () => {
  const one = await fresh();
  await withOnlyHere(one, ["root-1", "root-2", "targets", "nuc", "snapshot", "timestamp"]);
  const root = thievesRoot(one);
  // Signed by the stolen one, as the keys in force name it.
  const stolen = one.repository.keys.find(
    ({ publicKey }) => keyIdOf(publicKey) === one.repository.current.root.signed.roles["root"]!.keyIDs[0],
  );
  addSignature(root, stolen!);
  await stage(one, "root", root);
  await publishImage(await open(one), images[1]!, { now });
  await signRepository(await open(one), now);
  expect((await readPublished(one.folder)).root.signed.version).toBe(1);
});

test("a staged release of nobody is in no release that is published", async () => {
  const one = await fresh();
  await stage(one, "nuc", thievesRelease(one));
  const refused = { code: "ota.unreviewed", exitCode: 3, message: expect.stringContaining("nuc") };
  await expect(publishImage(await open(one), images[1]!, { now })).rejects.toMatchObject(refused);
  expect((await signRepository(await open(one), now)).placed).toEqual(["timestamp"]);
  expect(await seen(one)).toBe("0.1.0");
  expect(await changesIn(one)).toEqual([
    ["nuc", expect.stringMatching(/^adds 9\.9\.9, whose manifest has the sha256 [0-9a-f]{64}$/)],
  ]);
});

test("a staged delegation of nobody gives no key a board, even if it names its own under the id of ours", async () => {
  const one = await fresh();
  const { targets, boards } = one.repository.current;
  const id = targets.signed.delegations!.roles!["nuc"]!.keyIDs[0]!;
  const plain = withKey("targets", renewed("targets", targets, now), id, thief.publicKey, now);
  const text = JSON.stringify(plain.toJSON()).replaceAll(keyIdOf(thief.publicKey), id);
  await mkdir(join(one.folder, "staged"), { recursive: true });
  await writeFile(stagedPath(one.folder, "targets"), text);
  const release = thievesRelease(one);
  addSignature(release, thief);
  const signed = JSON.stringify(release.toJSON()).replaceAll(keyIdOf(thief.publicKey), id);
  await writeFile(stagedPath(one.folder, "nuc"), signed);
  const { placed } = await signRepository(await open(one), now);
  expect(placed).toEqual(["timestamp"]);
  expect((await readPublished(one.folder)).targets.signed.version).toBe(targets.signed.version);
  expect((await readPublished(one.folder)).boards.get("nuc")!.signed.version).toBe(boards.get("nuc")!.signed.version);
  expect((await changesIn(one)).map(([role]) => role)).toEqual(["nuc", "targets"]);
});

test("what somebody has looked at is signed, and nothing that took its place meanwhile", async () => {
  const one = await fresh();
  await without(one, ["nuc"]);
  await publishImage(await open(one), images[1]!, { now });
  await withOnly(one, ["nuc", "snapshot", "timestamp"]);
  const [looked] = await toReview(await open(one), now);
  expect(looked).toMatchObject({
    role: "nuc",
    changes: [expect.stringMatching(/^adds 0\.2\.0,/), "makes 0.2.0 the newest"],
  });
  const honest = await readFile(stagedPath(one.folder, "nuc"));
  await stage(one, "nuc", thievesRelease(one));
  expect((await signRepository(await open(one), now, new Set([looked!.digest]))).placed).toEqual(["timestamp"]);
  await writeFile(stagedPath(one.folder, "nuc"), honest);
  expect((await signRepository(await open(one), now, new Set([looked!.digest]))).placed).toEqual(["nuc", "timestamp"]);
  expect(await seen(one)).toBe("0.2.0");
});

test("a new date alone needs nobody to look, and one beyond its period does", async () => {
  const one = await fresh();
  const late = now + 200 * dayMs;
  await stage(one, "root", renewed("root", one.repository.current.root, late));
  expect(await changesIn(one, late)).toEqual([]);
  expect((await signRepository(await open(one), late)).placed).toContain("root");
  const other = await fresh();
  await stage(other, "root", renewed("root", other.repository.current.root, now + 9000 * dayMs));
  expect(await changesIn(other)).toEqual([["root", expect.stringMatching(/^holds until 20\d\d-/)]]);
  expect((await signRepository(await open(other), now)).placed).toEqual(["timestamp"]);
});

test("a new root tells by role which keys come and go, and how many sign", async () => {
  const one = await fresh();
  const next = renewed("root", one.repository.current.root, now);
  const changed = withKey("root", next, next.signed.roles["timestamp"]!.keyIDs[0]!, thief.publicKey, now);
  const text = JSON.stringify(changed.toJSON()).replace('"threshold":2', '"threshold":1');
  await mkdir(join(one.folder, "staged"), { recursive: true });
  await writeFile(stagedPath(one.folder, "root"), text);
  const key = Buffer.from(thief.publicKey, "base64url").toString("hex");
  expect(await changesIn(one)).toEqual([
    [
      "root",
      "root: 1 of its keys signs instead of 2",
      expect.stringMatching(/^timestamp: no longer the key [0-9a-f]{64}$/),
      `timestamp: from now on the key ${key}`,
    ],
  ]);
});

test("the same key under a second id, which would sign twice, is told beside what else changes", async () => {
  const one = await fresh();
  const { root } = one.repository.current;
  const [first, second] = root.signed.roles["root"]!.keyIDs;
  const json = renewed("root", root, now).toJSON() as { signed: { keys: Record<string, object> } };
  const twin = "0".repeat(64);
  json.signed.keys[twin] = json.signed.keys[first!]!;
  await mkdir(join(one.folder, "staged"), { recursive: true });
  const text = JSON.stringify(json).replaceAll(`"${second}"`, (id, at, all) =>
    all[at + id.length] === ":" ? id : `"${twin}"`,
  );
  await writeFile(stagedPath(one.folder, "root"), text);
  const key = root.signed.keys[first!]!.keyVal["public"];
  expect(await changesIn(one)).toEqual([
    [
      "root",
      expect.stringMatching(/^root: no longer the key [0-9a-f]{64}$/),
      `root: from now on the key ${key}, which it calls ${twin}`,
    ],
  ]);
});

test("a root that the keys were not made for is refused, whoever its metadata names", async () => {
  const one = await fresh();
  await withOnlyHere(one, ["nuc", "snapshot", "timestamp"]);
  const other = await makePublisher(now);
  // A whole repository of its own, whose signatures are right.
  await rm(repositoryFolder(one.folder), { recursive: true });
  await cp(repositoryFolder((await other.fresh()).folder), repositoryFolder(one.folder), { recursive: true });
  const refused = { code: "ota.damaged", message: expect.stringContaining("1.root.json") };
  await expect(openRepository(one.folder, passphrase)).rejects.toMatchObject(refused);
  await other[Symbol.asyncDispose]();
});

test("a root that is exchanged once the repository is open is refused too", async () => {
  const one = await fresh();
  await withOnlyHere(one, ["timestamp"]);
  const repository = await openRepository(one.folder, passphrase);
  const other = await makePublisher(now);
  await rm(repositoryFolder(one.folder), { recursive: true });
  await cp(repositoryFolder((await other.fresh()).folder), repositoryFolder(one.folder), { recursive: true });
  await expect(signRepository(repository, now)).rejects.toMatchObject({ code: "ota.damaged" });
  await other[Symbol.asyncDispose]();
});

test("a key file whose root was struck out or exchanged opens nothing", async () => {
  const one = await fresh();
  await withOnlyHere(one, ["timestamp"]);
  const path = join(one.folder, "keys/timestamp.key");
  const file = JSON.parse(await readFile(path, "utf8"));
  for (const anchor of [undefined, "0".repeat(64)]) {
    await writeFile(path, JSON.stringify({ ...file, anchor }));
    await expect(openRepository(one.folder, passphrase)).rejects.toMatchObject({ code: "ota.noKey" });
  }
});

async function withOnlyHere(one: Published, names: readonly string[]): Promise<void> {
  await mkdir(join(one.folder, "elsewhere"), { recursive: true });
  for (const file of await readdir(join(one.folder, "keys"))) {
    if (!names.includes(file.slice(0, -".key".length)))
      await rename(join(one.folder, "keys", file), join(one.folder, "elsewhere", file));
  }
}
