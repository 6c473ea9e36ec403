import { spawn } from "node:child_process";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metadata, Targets } from "@tufjs/models";
import { afterAll, beforeAll, test as everywhere, expect } from "vitest";
import { withReader } from "../../../image/disk/read-at.ts";
import { objectPath } from "../../../ota/format/names.ts";
import { filesIn } from "../../../ota/repository/files.ts";
import { openRepository, repositoryFolder } from "../../../ota/repository/folder.ts";
import { initRepository } from "../../../ota/repository/init.ts";
import { lockedFolder } from "../../../ota/repository/lock.ts";
import { publishImage, publishImages } from "../../../ota/repository/publish.ts";
import { readImage } from "../../../ota/repository/read-image.ts";
import { targetPath } from "../../../ota/repository/releases.ts";
import { verifyRepository } from "../../../ota/repository/verify.ts";
import { silentProgress } from "../../../system/progress.ts";
import { check, make, serve } from "./device.ts";
import { lacksImages, makeReleaseImage, noise } from "./image.ts";
import { makePublisher, type Publisher, partsOf, passphrase, seen } from "./publisher.ts";

const skipped = lacksImages();
const test = everywhere.skipIf(skipped);

let publisher: Publisher;
const images = new Map<string, string>();

beforeAll(async () => {
  if (skipped) return;
  publisher = await makePublisher();
  const agent = noise(600_000, 10);
  const changed = Buffer.concat([agent.subarray(0, 200_000), Buffer.from("new code"), agent.subarray(200_000)]);
  const image = async (name: string, options: Parameters<Publisher["image"]>[0]) =>
    images.set(name, await publisher.image(options));
  await image("one", { version: "0.1.0", files: { "usr/lib/agent": agent } });
  await image("two", { version: "0.2.0", files: { "usr/lib/agent": changed, "usr/lib/new": noise(100_000, 11) } });
  await image("three", { version: "0.3.0~rc1", files: { "usr/lib/agent": changed } });
  await image("pi", { board: "rpi4", version: "0.1.0" });
});
afterAll(() => publisher?.[Symbol.asyncDispose]());
const fresh = () => publisher.fresh();

test("a device with any other release makes the parts of a release from its chunks, as they are in the image", async () => {
  const { folder, trusted, repository } = await fresh();
  const { releases, lacking } = await publishImage(repository, images.get("one")!, { now: Date.now() });
  expect(lacking).toEqual([]);
  expect(releases).toMatchObject([{ board: "nuc", version: "0.1.0", updates: [{ bytes: expect.any(Number) }] }]);
  const web = await serve(repositoryFolder(folder));
  const manifest = (await check(web.url, trusted, "nuc"))!;
  expect(manifest.version).toBe("0.1.0");
  expect(manifest.parts.map(({ name }) => name)).toEqual(["root", "kernel"]);
  const made = await make(web.url, manifest);
  const wanted = await partsOf(images.get("one")!);
  for (const [name, content] of Object.entries(wanted)) expect(made[name]!.equals(content)).toBe(true);
  await web.close();
});

test("a device with the release before copies what it has, and fetches what changed", async () => {
  const { folder, trusted, repository } = await fresh();
  await publishImage(repository, images.get("one")!, { now: Date.now() });
  const { releases } = await publishImage(repository, images.get("two")!, { now: Date.now() });
  const [delta, whole] = releases[0]!.updates;
  expect([delta?.from, whole?.from]).toEqual(["0.1.0", undefined]);
  // The new file, and next to nothing for the changed one.
  expect(delta!.bytes).toBeLessThan(120_000);
  expect(whole!.bytes).toBeGreaterThan(2_500_000);
  const web = await serve(repositoryFolder(folder));
  const manifest = (await check(web.url, trusted, "nuc"))!;
  expect(manifest.version).toBe("0.2.0");
  const { verity } = await readImage(images.get("one")!);
  const parts = await partsOf(images.get("one")!);
  const [before, bytesBefore] = [web.requests.length, web.sentBytes()];
  const made = await make(web.url, manifest, { rootHash: verity.rootHash, parts });
  expect(web.sentBytes() - bytesBefore).toBe(manifest.recipes[0]!.fetchBytes);
  const fetched = web.requests.slice(before).map((path) => path.split("/")[1]);
  expect(fetched.filter((one) => one === "packs")).toHaveLength(1);
  expect(fetched.length).toBeLessThan(8);
  for (const [name, content] of Object.entries(await partsOf(images.get("two")!))) {
    expect(made[name]!.equals(content)).toBe(true);
  }
  await web.close();
});

test("a Pi's boot partition is a part, with places for the slot and the card", async () => {
  const { folder, trusted, repository } = await fresh();
  await publishImages(repository, [images.get("pi")!, images.get("one")!], { now: Date.now() });
  const web = await serve(repositoryFolder(folder));
  const manifest = (await check(web.url, trusted, "rpi4"))!;
  expect((await check(web.url, trusted, "nuc"))!.board).toBe("nuc");
  const boot = manifest.parts.find(({ name }) => name === "boot")!;
  expect(boot.places.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
    ["slot", 1],
    ["disk", 8],
  ]);
  const made = await make(web.url, manifest);
  const [slot, disk] = boot.places;
  expect(made["boot"]!.toString("latin1", slot!.offset - 12, disk!.offset + 9)).toMatch(
    /^hamlet\.slot=\0 hamlet\.disk=\0{8}\n$/,
  );
  await web.close();
});

test("an image that trusts no release root, or another one, is refused", async () => {
  const { repository } = await fresh();
  const without = join(publisher.work, "without");
  await mkdir(without);
  const none = await makeReleaseImage(without, { version: "0.9.0" });
  const refused = expect.objectContaining({ code: "ota.foreignRoot", exitCode: 3 });
  await expect(publishImage(repository, none, { now: Date.now() })).rejects.toThrow(refused);
  const other = await initRepository(join(publisher.work, "other"), { passphrase, now: Date.now() });
  await expect(publishImage(other, images.get("one")!, { now: Date.now() })).rejects.toThrow(refused);
});

test("a version that does not sort after the last is refused, and what was published stays", async () => {
  const one = await fresh();
  await publishImage(one.repository, images.get("two")!, { now: Date.now() });
  const refused = expect.objectContaining({ code: "ota.notNewer", exitCode: 3 });
  for (const name of ["one", "two"]) {
    await expect(publishImage(one.repository, images.get(name)!, { now: Date.now() })).rejects.toThrow(refused);
  }
  expect(await seen(one)).toBe("0.2.0");
});

test("of several images the oldest is published first, or none if one is refused", async () => {
  const one = await fresh();
  const both = [images.get("two")!, images.get("one")!];
  const withForeign = [...both, join(publisher.work, "missing.img")];
  await expect(publishImages(one.repository, withForeign, { now: Date.now() })).rejects.toThrow();
  expect(await seen(one)).toBeUndefined();
  const { releases } = await publishImages(one.repository, both, { now: Date.now() });
  expect(releases.map(({ version }) => version)).toEqual(["0.1.0", "0.2.0"]);
  expect(releases[1]!.updates.map(({ from }) => from)).toEqual(["0.1.0", undefined]);
  expect(await seen(one)).toBe("0.2.0");
});

test("200 checks while releases are published see a whole state each: the old one or the new", async () => {
  const { folder, trusted, repository } = await fresh();
  await publishImage(repository, images.get("one")!, { now: Date.now() });
  const web = await serve(repositoryFolder(folder));
  const versions: string[] = [];
  const publishing = (async () => {
    for (const name of ["two", "three"]) await publishImage(repository, images.get(name)!, { now: Date.now() });
  })();
  while (versions.length < 200) versions.push((await check(web.url, trusted, "nuc"))!.version);
  await publishing;
  versions.push((await check(web.url, trusted, "nuc"))!.version);
  expect([...new Set(versions)]).toEqual(["0.1.0", "0.2.0", "0.3.0~rc1"]);
  // It publishes during the checks, not before or after them.
  expect(versions.filter((version) => version === "0.1.0").length).toBeGreaterThan(3);
  await web.close();
});

test("a second publisher is refused while the first works, here or on another computer, and takes over when that one is gone", async () => {
  const { folder, repository } = await fresh();
  const path = join(folder, "lock");
  const [place, , last] = await lockedFolder(folder, async () => {
    const busy = publishImage(repository, images.get("one")!, { now: Date.now() });
    await expect(busy).rejects.toThrow(expect.objectContaining({ code: "ota.busy", exitCode: 3 }));
    return (await readFile(path, "utf8")).split(" ");
  });
  // No process has this id: Linux ends at 2^22.
  await writeFile(path, `elsewhere/${place} 5000000 ${last}`);
  await expect(publishImage(repository, images.get("one")!, { now: Date.now() })).rejects.toThrow(
    expect.objectContaining({ code: "ota.busy" }),
  );
  await writeFile(path, `${place} 5000000 ${last}`);
  await publishImage(repository, images.get("one")!, { now: Date.now() });
  await expect(stat(path)).rejects.toThrow("ENOENT");
});

test("a publisher that was interrupted publishes the same again", async () => {
  const one = await fresh();
  const stop = new AbortController();
  const { signal } = stop;
  const progress = { stage() {}, at: () => stop.abort(), end() {} };
  const stopped = publishImage(one.repository, images.get("one")!, { now: Date.now(), signal, progress });
  await expect(stopped).rejects.toThrow("abort");
  expect(await seen(one)).toBeUndefined();
  await publishImage(one.repository, images.get("one")!, { now: Date.now() });
  expect(await seen(one)).toBe("0.1.0");
});

test("a publisher that is killed at any moment leaves the old state or the new one, and goes on", async () => {
  const one = await fresh();
  await publishImage(one.repository, images.get("one")!, { now: Date.now() });
  const argv = ["cli/hamlet.ts", "ota", "publish", images.get("two")!, "--folder", one.folder];
  const env = { ...process.env, HAMLET_PASSPHRASE: passphrase };
  const cwd = join(import.meta.dirname, "../../..");
  const outcomes = new Set<string | undefined>();
  let isDone = false;
  // Each attempt lives longer than the one before, until one lives long enough.
  for (let leftMs = 40; !isDone; leftMs *= 1.7) {
    const child = spawn(process.execPath, argv, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
    const ended = new Promise<boolean>((done) => child.on("exit", (code) => done(code === 0)));
    // It says so when it has opened the repository and begins.
    child.stderr.once("data", () => setTimeout(() => child.kill("SIGKILL"), leftMs));
    isDone = await ended;
    outcomes.add(await seen(one));
    expect(await verifyRepository(filesIn(repositoryFolder(one.folder)), silentProgress)).toEqual([]);
    if (outcomes.has("0.2.0")) break;
  }
  expect([...outcomes]).toEqual(["0.1.0", "0.2.0"]);
});

test("a root filesystem that is not the one of its kernel is refused", async () => {
  const { repository } = await fresh();
  const path = await publisher.image({ version: "0.7.0", rootHash: "ab".repeat(32) });
  const refused = expect.objectContaining({ code: "image.damaged" });
  await expect(publishImage(repository, path, { now: Date.now() })).rejects.toThrow(refused);
});

test.each([
  ["of another version", { release: { board: "nuc", version: "0.8.1", builtS: 1_700_000_000 } }, "is of nuc 0.8.1"],
  ["that says nothing of itself", { release: {} }, "has no usr/lib/hamlet/release.json"],
  ["with two slots on its command line", { words: " hamlet.slot=b" }, "no single hamlet.slot="],
  ["without a root hash on its command line", { words: " hamlet.verity=x" }, "no single hamlet.verity="],
])("an image with a root filesystem or a kernel %s is refused", async (_, options, message) => {
  const { repository } = await fresh();
  const path = await publisher.image({ version: "0.8.0", ...options });
  const refused = expect.objectContaining({ code: "image.notOurs", message: expect.stringContaining(message) });
  await expect(publishImage(repository, path, { now: Date.now() })).rejects.toThrow(refused);
});

test("a file that is no image, or one that was cut off, is refused", async () => {
  const { repository } = await fresh();
  const now = Date.now();
  const short = join(publisher.work, "short.img");
  await writeFile(short, await withReader(images.get("one")!, (readAt) => readAt(0, 16 << 20)));
  const cut = expect.objectContaining({ code: "image.truncated" });
  await expect(publishImage(repository, short, { now })).rejects.toThrow(cut);
  await writeFile(short, "no image");
  const none = expect.objectContaining({ code: "image.notOurs" });
  await expect(publishImage(repository, short, { now })).rejects.toThrow(none);
});

test("a release may name the oldest one that may install it", async () => {
  const one = await fresh();
  await publishImage(one.repository, images.get("two")!, { now: Date.now(), installFrom: "0.1.0" });
  const web = await serve(repositoryFolder(one.folder));
  expect((await check(web.url, one.trusted, "nuc"))!.installFrom).toBe("0.1.0");
  await web.close();
});

test("a release whose chunk is damaged cannot be started from", async () => {
  const { folder, repository } = await fresh();
  await publishImage(repository, images.get("one")!, { now: Date.now() });
  const { recipes } = JSON.parse(
    await readFile(await manifestPath(folder, repository.current.boards.get("nuc")!), "utf8"),
  );
  await writeFile(join(repositoryFolder(folder), objectPath(recipes[0].sha256)), "not a frame");
  const damaged = expect.objectContaining({ code: "ota.damaged" });
  await expect(publishImage(repository, images.get("two")!, { now: Date.now() })).rejects.toThrow(damaged);
});

const manifestPath = async (folder: string, { signed }: Metadata<Targets>) =>
  join(repositoryFolder(folder), targetPath(signed.targets["nuc/newest.json"]!));

test("a folder that is no repository, a wrong passphrase and a folder that exists are told apart", async () => {
  const { folder } = await fresh();
  await expect(openRepository(publisher.work, passphrase)).rejects.toThrow(
    expect.objectContaining({ code: "ota.notFound" }),
  );
  await expect(openRepository(folder, "wrong horse")).rejects.toThrow(expect.objectContaining({ code: "ota.noKey" }));
  const again = initRepository(folder, { passphrase, now: Date.now() });
  await expect(again).rejects.toThrow(expect.objectContaining({ code: "ota.exists", exitCode: 3 }));
});
