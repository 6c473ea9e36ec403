// What a publisher does between releases: sign before metadata expires, replace keys, verify, remove old files, export.
import { appendFile, mkdir, readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, test as everywhere, expect } from "vitest";
import { objectPath } from "../../../ota/format/names.ts";
import { decodeRecipe } from "../../../ota/format/recipe.ts";
import { exportRelease } from "../../../ota/repository/export.ts";
import { filesAt, filesIn } from "../../../ota/repository/files.ts";
import { openRepository, readPublished, repositoryFolder } from "../../../ota/repository/folder.ts";
import { collectGarbage } from "../../../ota/repository/gc.ts";
import { renewed } from "../../../ota/repository/metadata.ts";
import { place } from "../../../ota/repository/place.ts";
import { publishImage } from "../../../ota/repository/publish.ts";
import { readImage } from "../../../ota/repository/read-image.ts";
import { readReleases } from "../../../ota/repository/releases.ts";
import { rotateKey } from "../../../ota/repository/rotate.ts";
import { signRepository } from "../../../ota/repository/sign.ts";
import { repositoryStatus } from "../../../ota/repository/status.ts";
import { compareRemote, verifyRepository } from "../../../ota/repository/verify.ts";
import { openNamedDoor } from "../../../ota/updater/folder-door.ts";
import { findNewest } from "../../../ota/updater/metadata.ts";
import { silentProgress } from "../../../system/progress.ts";
import { check, make, serve } from "./device.ts";
import { lacksImages } from "./image.ts";
import {
  makePublisher,
  type Published,
  type Publisher,
  partsOf,
  passphrase,
  seen,
  signAll,
  withOnly,
  without,
} from "./publisher.ts";

const skipped = lacksImages();
const test = everywhere.skipIf(skipped);
const dayMs = 86_400_000;

let publisher: Publisher;
/** With 0.1.0 of the nuc, published when the repository was made. */
let base: Published;
const images: string[] = [];
const madeAt = Date.now() - 8 * dayMs;

beforeAll(async () => {
  if (skipped) return;
  publisher = await makePublisher(madeAt);
  images.push(...(await publisher.images(1, 3)));
  base = await publisher.fresh();
  await publishImage(base.repository, images[0]!, { now: madeAt });
});
afterAll(() => publisher?.[Symbol.asyncDispose]());
const fresh = () => publisher.fresh(base.folder);
const open = async ({ folder }: Published) => await publisher.open(folder);
const states = async ({ folder }: Published, now: number) =>
  Object.fromEntries((await repositoryStatus(folder, now)).roles.map(({ role, state }) => [role, state]));

test("the status tells at half of a period that it is time to sign, and when it is too late", async () => {
  const one = await fresh();
  expect(new Set(Object.values(await states(one, madeAt)))).toEqual(new Set(["fresh"]));
  expect(await states(one, madeAt + 8 * dayMs)).toMatchObject({ timestamp: "old", snapshot: "fresh", root: "fresh" });
  expect(await states(one, madeAt + 50 * dayMs)).toMatchObject({
    timestamp: "expired",
    snapshot: "expired",
    nuc: "old",
  });
  const { boards, roles } = await repositoryStatus(one.folder, madeAt);
  expect(boards.find(({ board }) => board === "nuc")).toEqual({ board: "nuc", newest: "0.1.0", releases: 1 });
  expect(roles[0]!.role).toBe("timestamp");
  await unlink(join(one.folder, "keys/targets.key"));
  const { roles: without } = await repositoryStatus(one.folder, madeAt);
  expect(without.filter(({ hasKey }) => !hasKey).map(({ role }) => role)).toEqual(["targets"]);
});

test("signing renews the timestamp each time, and the rest when half of its time is over", async () => {
  const one = await fresh();
  const versions = async () => {
    const { root, targets, boards, snapshot, timestamp } = await readPublished(one.folder);
    return [root, targets, boards.get("nuc")!, snapshot, timestamp].map(({ signed }) => signed.version);
  };
  expect(await versions()).toEqual([1, 1, 2, 2, 2]);
  const { placed } = await signRepository(one.repository, madeAt + 8 * dayMs);
  expect(placed).toEqual(["timestamp"]);
  expect(await versions()).toEqual([1, 1, 2, 2, 3]);
  expect(await seen(one)).toBe("0.1.0");
  await signRepository(one.repository, madeAt + 16 * dayMs);
  expect(await versions()).toEqual([1, 1, 2, 3, 4]);
  await signRepository(one.repository, madeAt + 200 * dayMs);
  expect(await versions()).toEqual([2, 2, 3, 4, 5]);
  expect(new Set(Object.values(await states(one, madeAt + 200 * dayMs)))).toEqual(new Set(["fresh"]));
  expect(await seen(one)).toBe("0.1.0");
});

test("a computer whose clock is behind signs nothing, and what is there stays", async () => {
  const one = await fresh();
  const refused = { code: "ota.clockBehind", exitCode: 3, message: expect.stringContaining("1970-01-01") };
  await expect(signRepository(one.repository, 0)).rejects.toMatchObject(refused);
  await expect(publishImage(one.repository, images[1]!, { now: 0 })).rejects.toMatchObject(refused);
  await expect(rotateKey(one.repository, "nuc", { passphrase, now: 0 })).rejects.toMatchObject(refused);
  expect(await seen(one)).toBe("0.1.0");
  // One whose clock was ahead keeps nobody out.
  await signRepository(one.repository, madeAt + 900 * dayMs);
  expect((await signRepository(one.repository, Date.now())).placed).toContain("timestamp");
});

test("a device takes nothing from what has expired, and goes on when it is signed again", async () => {
  const old = await makePublisher(Date.now() - 40 * dayMs);
  const one = await old.fresh();
  await expect(seen(one)).rejects.toThrow(/expired/);
  await signRepository(one.repository, Date.now());
  expect(await seen(one)).toBeUndefined();
  await old[Symbol.asyncDispose]();
});

test("a board's key on another computer: devices see a release when it is signed there", async () => {
  const one = await fresh();
  await without(one, ["nuc"]);
  const { lacking } = await publishImage(await open(one), images[1]!, { now: Date.now() });
  expect(lacking).toEqual([{ role: "nuc", signatures: 1 }]);
  expect(await seen(one)).toBe("0.1.0");
  expect((await repositoryStatus(one.folder, Date.now())).staged).toEqual([
    { role: "nuc", signatures: 1, changes: [expect.stringMatching(/^adds 0\.2\.0,/), "makes 0.2.0 the newest"] },
  ]);
  // The other computer has no key for snapshot and timestamp.
  await withOnly(one, ["nuc"]);
  const there = await signAll(await open(one), Date.now());
  expect(there).toEqual({
    ...{ placed: [], signed: ["nuc"] },
    lacking: [
      { role: "snapshot", signatures: 1 },
      { role: "timestamp", signatures: 1 },
    ],
  });
  await withOnly(one, ["snapshot", "timestamp"]);
  expect((await signRepository(await open(one), Date.now())).lacking).toEqual([]);
  expect(await seen(one)).toBe("0.2.0");
});

test("what is published while an earlier release waits for its signature contains that one too", async () => {
  const one = await fresh();
  await without(one, ["nuc"]);
  await publishImage(await open(one), images[1]!, { now: Date.now() });
  const { releases } = await publishImage(await open(one), images[2]!, { now: Date.now() });
  expect(releases[0]!.updates.map(({ from }) => from)).toEqual(["0.2.0", "0.1.0", undefined]);
  await withOnly(one, ["nuc", "snapshot", "timestamp"]);
  await signAll(await open(one), Date.now());
  expect(await seen(one)).toBe("0.3.0");
  const { boards } = await repositoryStatus(one.folder, Date.now());
  expect(boards.find(({ board }) => board === "nuc")).toMatchObject({ newest: "0.3.0", releases: 3 });
});

test("two computers with a root key each renew the root one after the other", async () => {
  const one = await fresh();
  await without(one, ["root-2", "root-3", "targets"]);
  const late = madeAt + 200 * dayMs;
  expect((await signRepository(await open(one), late)).lacking).toEqual([{ role: "root", signatures: 1 }]);
  await withOnly(one, ["root-2", "snapshot", "timestamp"]);
  expect((await signRepository(await open(one), late)).lacking).toEqual([]);
  expect((await readPublished(one.folder)).root.signed.version).toBe(2);
  expect(await seen(one)).toBe("0.1.0");
});

test("a folder without a key for anything that has to be signed says so", async () => {
  const one = await fresh();
  await without(one, ["snapshot", "timestamp"]);
  await withOnly(one, ["rpi4"]);
  const refused = expect.objectContaining({ code: "ota.signFailed" });
  await expect(signRepository(await open(one), madeAt)).rejects.toThrow(refused);
});

test.each(["root-1", "targets", "snapshot", "timestamp", "nuc"])(
  "devices follow when the key %s is replaced, and the old one signs nothing more",
  async (name) => {
    const one = await fresh();
    expect(await seen(one)).toBe("0.1.0");
    const old = await readFile(join(one.folder, `keys/${name}.key`), "utf8");
    const now = Date.now();
    expect(await rotateKey(one.repository, name, { passphrase, now })).toMatchObject({ isReplaced: true, lacking: [] });
    expect(await readdir(join(one.folder, "keys"))).not.toContain(`${name}.next.key`);
    expect(await readFile(join(one.folder, `keys/${name}.key`), "utf8")).not.toBe(old);
    expect(await seen(one)).toBe("0.1.0");
    const reopened = await openRepository(one.folder, passphrase);
    await publishImage(reopened, images[1]!, { now });
    expect(await seen(one)).toBe("0.2.0");
    // Also a device that has seen nothing since its image was made.
    await rm(one.trusted, { recursive: true });
    await mkdir(one.trusted);
    await writeFile(join(one.trusted, "root.json"), publisher.releaseRoot);
    expect(await seen(one)).toBe("0.2.0");
    const { root, targets } = reopened.current;
    const named = JSON.stringify([root.signed.toJSON(), targets.signed.toJSON()]);
    expect(named).not.toContain(Buffer.from(JSON.parse(old).publicKey, "base64url").toString("hex"));
  },
);

test("a key is replaced when the root keys elsewhere have signed; until then the old one signs", async () => {
  const one = await fresh();
  await without(one, ["root-1", "root-2", "root-3"]);
  const now = Date.now();
  const rotated = await rotateKey(await open(one), "timestamp", { passphrase, now });
  expect(rotated).toMatchObject({ isReplaced: false, lacking: [{ role: "root", signatures: 2 }] });
  expect(await readdir(join(one.folder, "keys"))).toContain("timestamp.next.key");
  expect(await seen(one)).toBe("0.1.0");
  for (const root of ["root-1", "root-3"]) {
    await rename(join(one.folder, `elsewhere/${root}.key`), join(one.folder, `keys/${root}.key`));
  }
  expect((await signAll(await openRepository(one.folder, passphrase), now)).lacking).toEqual([]);
  expect(await readdir(join(one.folder, "keys"))).not.toContain("timestamp.next.key");
  expect(await seen(one)).toBe("0.1.0");
  await signRepository(await openRepository(one.folder, passphrase), now + dayMs);
  expect(await seen(one)).toBe("0.1.0");
});

test("a publisher that is killed between the metadata and the new root goes on: the old keys have signed it too", async () => {
  const one = await fresh();
  const metadata = (name: string) => join(repositoryFolder(one.folder), "metadata", name);
  const key = join(one.folder, "keys/timestamp.key");
  const old = await readFile(key);
  const now = Date.now();
  await rotateKey(one.repository, "timestamp", { passphrase, now });
  // As it was one step before the end.
  await rename(key, join(one.folder, "keys/timestamp.next.key"));
  await writeFile(key, old);
  await mkdir(join(one.folder, "staged"));
  await rename(metadata("2.root.json"), join(one.folder, "staged/root.json"));
  expect(await seen(one)).toBe("0.1.0");
  await signRepository(await openRepository(one.folder, passphrase), now);
  expect((await readPublished(one.folder)).root.signed.version).toBe(2);
  expect(await seen(one)).toBe("0.1.0");
  expect((await readFile(key)).equals(old)).toBe(false);
  expect(await troubles(one)).toEqual([]);
});

test("a board that is newer than the repository gets a key, and devices find its releases", async () => {
  const one = await fresh();
  // A repository of a Hamlet that knew no rpi4.
  const { targets } = one.repository.current;
  const before = renewed("targets", targets, madeAt);
  delete before.signed.delegations!.roles!["rpi4"];
  await place(one.repository, new Map([["targets", before]]), madeAt);
  await unlink(join(one.folder, "keys/rpi4.key"));
  const pi = await publisher.image({ board: "rpi4", version: "0.1.0" });
  const unknown = expect.objectContaining({ code: "ota.noKey", hint: expect.stringContaining("ota rotate rpi4") });
  await expect(publishImage(await open(one), pi, { now: Date.now() })).rejects.toThrow(unknown);
  const rotated = await rotateKey(await open(one), "rpi4", { passphrase, now: Date.now() });
  expect(rotated).toMatchObject({ isReplaced: true, lacking: [] });
  await publishImage(await openRepository(one.folder, passphrase), pi, { now: Date.now() });
  expect(await seen(one, "rpi4")).toBe("0.1.0");
  expect(await seen(one, "nuc")).toBe("0.1.0");
});

test("a key that is not there cannot be replaced", async () => {
  const one = await fresh();
  const refused = expect.objectContaining({ code: "ota.noKey" });
  await expect(rotateKey(one.repository, "mars", { passphrase, now: madeAt })).rejects.toThrow(refused);
});

const troubles = async ({ folder }: Published) =>
  await verifyRepository(filesIn(repositoryFolder(folder)), silentProgress);

test("verify finds whatever file is missing or wrong, in the folder and on the web server", async () => {
  const one = await fresh();
  await publishImage(one.repository, images[1]!, { now: madeAt });
  expect(await troubles(one)).toEqual([]);
  const top = repositoryFolder(one.folder);
  const all = (await readdir(top, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = all.map(({ parentPath, name }) => join(parentPath, name)).sort();
  const { signed } = one.repository.current.snapshot;
  const metadata = new Set([
    ...["timestamp.json", "1.root.json", `${signed.version}.snapshot.json`],
    ...Object.entries(signed.meta).map(([name, { version }]) => `${version}.${name}`),
  ]);
  // Of the many objects some. Devices that check at this moment may still ask for older metadata, but nothing leads to it.
  const inUse = paths.filter((path, index) => {
    if (path.includes("/metadata/")) return metadata.has(basename(path));
    return !path.endsWith("newest.json") && (!path.includes("/objects/") || index % 9 === 0);
  });
  expect(inUse.length).toBeGreaterThan(15);
  for (const path of inUse) {
    const content = await readFile(path);
    await unlink(path);
    expect(await troubles(one).catch((error: Error) => [error.message]), path).not.toEqual([]);
    const wrong = Buffer.from(content);
    wrong[wrong.length >> 1]! ^= 1;
    await writeFile(path, wrong);
    expect(await troubles(one), path).not.toEqual([]);
    await writeFile(path, content);
  }
  expect(await troubles(one)).toEqual([]);
  const web = await serve(top);
  expect(await verifyRepository(filesAt(web.url), silentProgress)).toEqual([]);
  expect(await compareRemote((await open(one)).current, filesAt(web.url))).toBeUndefined();
  const stale = (await fresh()).repository.current;
  expect(await compareRemote(stale, filesAt(web.url))).toContain("version 3 of the timestamp, this folder 2");
  await web.close();
  const silent = verifyRepository(filesAt(web.url), silentProgress);
  await expect(silent).rejects.toThrow(expect.objectContaining({ code: "update.unreachable" }));
});

test("old files go when no valid metadata leads to them, and what a device may still ask for stays", async () => {
  const one = await fresh();
  const more = [...images.slice(1), ...(await publisher.images(4, 6))];
  const { manifest } = (
    await readReleases(filesIn(repositoryFolder(one.folder)), "nuc", one.repository.current.boards.get("nuc")!)
  )[0]!;
  expect(manifest.version).toBe("0.1.0");
  // One release a week: 0.1.0 leaves the board's metadata with the one that comes more than 30 days after it and is the fifth.
  let now = madeAt;
  for (const path of more) {
    now += 8 * dayMs;
    await publishImage(one.repository, path, { now });
  }
  const whole = join(repositoryFolder(one.folder), objectPath(manifest.recipes[0]!.sha256));
  await writeFile(join(repositoryFolder(one.folder), "objects/left-by-a-crash.tmp"), "x");
  expect((await collectGarbage(one.folder, { now, isDry: true })).files).toBeGreaterThan(0);
  await collectGarbage(one.folder, { now });
  // A snapshot that names 0.1.0 is valid for 30 days more.
  expect((await readFile(whole)).length).toBeGreaterThan(0);
  expect(await troubles(one)).toEqual([]);
  now += 31 * dayMs;
  await signRepository(one.repository, now);
  const removed = await collectGarbage(one.folder, { now });
  expect(removed.bytes).toBeGreaterThan(100_000);
  await expect(readFile(whole)).rejects.toThrow("ENOENT");
  expect(await troubles(one)).toEqual([]);
  expect((await collectGarbage(one.folder, { now })).files).toBe(0);
  const { boards } = await repositoryStatus(one.folder, now);
  expect(boards.find(({ board }) => board === "nuc")).toMatchObject({ newest: "0.6.0" });
});

test("what waits for a signature is not removed", async () => {
  const one = await fresh();
  await without(one, ["nuc"]);
  await publishImage(await open(one), images[1]!, { now: Date.now() });
  await collectGarbage(one.folder, { now: Date.now() });
  await withOnly(one, ["nuc", "snapshot", "timestamp"]);
  await signAll(await open(one), Date.now());
  expect(await troubles(one)).toEqual([]);
  expect(await seen(one)).toBe("0.2.0");
});

test("a version too long for tar is refused with another way, and a folder takes it", async () => {
  const version = `0.2.0-${"long".repeat(10)}`;
  const one = await fresh();
  await publishImage(one.repository, await publisher.image({ version, files: {} }), { now: Date.now() });
  const file = join(publisher.work, "long.tar");
  await expect(exportRelease(one.folder, { board: "nuc", version, out: file })).rejects.toMatchObject({
    code: "ota.longVersion",
    hint: expect.stringContaining("folder"),
  });
  expect(await readdir(publisher.work)).not.toContain("long.tar");
  await exportRelease(one.folder, { board: "nuc", version, out: join(publisher.work, "long") });
});

test("a device's updater reads every release that was exported, the newest or not, straight from the folder or file", async () => {
  const one = await fresh();
  await publishImage(one.repository, images[1]!, { now: Date.now() });
  for (const [version, name] of [
    ["0.1.0", "stick-0.1.0"],
    ["newest", "stick-newest"],
    ["newest", "stick.tar"],
  ] as const) {
    const out = join(publisher.work, name);
    await exportRelease(one.folder, { board: "nuc", version, out });
    await expect(exportRelease(one.folder, { board: "nuc", version, out })).rejects.toMatchObject({
      code: "ota.exists",
    });
    const door = await openNamedDoor(out);
    const { manifest } = await findNewest({
      ...{ board: "nuc", door, target: await door.target("nuc"), kept: undefined, floors: {} },
      // A device without a clock takes the date of its own release.
      ...{ firstRoot: publisher.releaseRoot, nowMs: 0, workIn: publisher.work },
    });
    expect(manifest.version).toBe(version === "newest" ? "0.2.0" : version);
    for (const ref of manifest.recipes) {
      const { steps } = decodeRecipe(await door.object(ref, () => {}), manifest.parts);
      for (const { kind, sha256, length } of steps) {
        if (kind === "chunk") await door.object({ sha256, sizeBytes: length }, () => {});
      }
    }
    await expect(door.target("rpi4")).rejects.toMatchObject({ code: "update.wrongBoard" });
  }
});

test("an export is of one state, whatever is placed meanwhile", async () => {
  const one = await fresh();
  let isDone = false;
  const signing = (async () => {
    // Each time the snapshot is due.
    for (let days = 16; !isDone; days += 16) await signRepository(one.repository, madeAt + days * dayMs);
  })();
  for (let count = 0; count < 20; count++) {
    const out = join(publisher.work, `placing-${count}`);
    await exportRelease(one.folder, { board: "nuc", version: "newest", out });
    const { signed } = JSON.parse(await readFile(join(out, "metadata/timestamp.json"), "utf8"));
    expect(await readdir(join(out, "metadata"))).toContain(`${signed.meta["snapshot.json"].version}.snapshot.json`);
  }
  isDone = true;
  await signing;
});

test("what a device would refuse is damaged: bytes behind a frame", async () => {
  const one = await fresh();
  const { manifest } = (
    await readReleases(filesIn(repositoryFolder(one.folder)), "nuc", one.repository.current.boards.get("nuc")!)
  )[0]!;
  const path = join(repositoryFolder(one.folder), objectPath(manifest.recipes[0]!.sha256));
  await appendFile(path, "x");
  expect(await troubles(one)).toEqual([expect.stringContaining("has bytes behind its zstd frame")]);
});

test("an exported folder is all that a device needs, from nothing and from the release before", async () => {
  const one = await fresh();
  await publishImage(one.repository, images[1]!, { now: Date.now() });
  const out = join(publisher.work, "stick");
  expect(await exportRelease(one.folder, { board: "nuc", version: "newest", out })).toMatchObject({ version: "0.2.0" });
  const web = await serve(out);
  const manifest = (await check(web.url, one.trusted, "nuc"))!;
  const wanted = await partsOf(images[1]!);
  const { verity } = await readImage(images[0]!);
  for (const older of [undefined, { rootHash: verity.rootHash, parts: await partsOf(images[0]!) }]) {
    const made = await make(web.url, manifest, older);
    for (const [name, content] of Object.entries(wanted)) expect(made[name]!.equals(content)).toBe(true);
  }
  await web.close();
  const options = { board: "nuc", version: "9.9.9", out: `${out}-2` };
  const unknown = expect.objectContaining({ code: "ota.notFound", hint: "it has 0.2.0, 0.1.0" });
  await expect(exportRelease(one.folder, options)).rejects.toThrow(unknown);
  const again = exportRelease(one.folder, { board: "nuc", version: "newest", out });
  await expect(again).rejects.toThrow(expect.objectContaining({ code: "ota.exists" }));
});
