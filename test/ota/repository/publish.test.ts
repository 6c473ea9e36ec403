import { cp, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, test as everywhere, expect } from "vitest";
import { readerOf } from "../../../image/disk/read-at.ts";
import { openRepository, repositoryFolder } from "../../../ota/repository/folder.ts";
import { firstRootPath, initRepository } from "../../../ota/repository/init.ts";
import { publishImage, publishImages } from "../../../ota/repository/publish.ts";
import { readImage, readPart } from "../../../ota/repository/read-image.ts";
import { check, make, type Parts, serve } from "./device.ts";
import { type ImageOptions, lacksImages, makeReleaseImage, noise } from "./image.ts";

const skipped = lacksImages();
const test = everywhere.skipIf(skipped);
const passphrase = "correct horse";

let work: string;
/** A fresh repository, copied for each test: sealing keys is slow on purpose. */
let pristine: string;
let releaseRoot: Buffer;
const images = new Map<string, string>();

beforeAll(async () => {
  if (skipped) return;
  work = await mkdtemp(join(tmpdir(), "hamlet-ota-"));
  pristine = join(work, "pristine");
  await initRepository(pristine, { passphrase, now: Date.now() });
  releaseRoot = await readFile(firstRootPath(pristine));
  const agent = noise(600_000, 10);
  const changed = Buffer.concat([agent.subarray(0, 200_000), Buffer.from("new code"), agent.subarray(200_000)]);
  await image("one", { version: "0.1.0", files: { "usr/lib/agent": agent } });
  await image("two", { version: "0.2.0", files: { "usr/lib/agent": changed, "usr/lib/new": noise(100_000, 11) } });
  await image("pi", { board: "rpi4", version: "0.1.0" });
});
afterAll(() => (work ? rm(work, { recursive: true, force: true }) : undefined));

async function image(name: string, options: ImageOptions): Promise<string> {
  const folder = join(work, name);
  await mkdir(folder);
  const path = await makeReleaseImage(folder, { releaseRoot, ...options });
  images.set(name, path);
  return path;
}

let count = 0;
async function fresh() {
  const folder = join(work, `repository-${count++}`);
  await cp(pristine, folder, { recursive: true });
  const trusted = join(work, `trusted-${count}`);
  await mkdir(trusted);
  await writeFile(join(trusted, "root.json"), releaseRoot);
  return { folder, trusted, repository: await openRepository(folder, passphrase) };
}

/** The parts as they lie in the image, zeros in their places. */
async function partsOf(path: string): Promise<Parts> {
  await using file = await open(path, "r");
  const parts: Parts = {};
  for (const part of (await readImage(path)).parts) {
    const pieces: Buffer[] = [];
    for await (const piece of readPart(readerOf(file), part, path)) pieces.push(piece);
    parts[part.name] = Buffer.concat(pieces);
  }
  return parts;
}

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
  const before = web.requests.length;
  const made = await make(web.url, manifest, { rootHash: verity.rootHash, parts });
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
  const without = join(work, "without");
  await mkdir(without);
  const none = await makeReleaseImage(without, { version: "0.9.0" });
  const refused = expect.objectContaining({ code: "ota.foreignRoot", exitCode: 3 });
  await expect(publishImage(repository, none, { now: Date.now() })).rejects.toThrow(refused);
  const other = await initRepository(join(work, "other"), { passphrase, now: Date.now() });
  await expect(publishImage(other, images.get("one")!, { now: Date.now() })).rejects.toThrow(refused);
});

test("a version that does not sort after the last is refused, and what was published stays", async () => {
  const { folder, trusted, repository } = await fresh();
  await publishImage(repository, images.get("two")!, { now: Date.now() });
  const refused = expect.objectContaining({ code: "ota.notNewer", exitCode: 3 });
  for (const name of ["one", "two"]) {
    await expect(publishImage(repository, images.get(name)!, { now: Date.now() })).rejects.toThrow(refused);
  }
  const web = await serve(repositoryFolder(folder));
  expect((await check(web.url, trusted, "nuc"))!.version).toBe("0.2.0");
  await web.close();
});

test("a folder that is no repository, a wrong passphrase and a folder that exists are told apart", async () => {
  const { folder } = await fresh();
  await expect(openRepository(work, passphrase)).rejects.toThrow(expect.objectContaining({ code: "ota.notFound" }));
  await expect(openRepository(folder, "wrong horse")).rejects.toThrow(expect.objectContaining({ code: "ota.noKey" }));
  const again = initRepository(folder, { passphrase, now: Date.now() });
  await expect(again).rejects.toThrow(expect.objectContaining({ code: "ota.exists", exitCode: 3 }));
});
