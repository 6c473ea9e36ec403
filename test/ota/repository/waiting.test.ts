// What waits for a signature of another computer: it holds up nothing else, and no other command loses it.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, test as everywhere, expect } from "vitest";
import { filesIn } from "../../../ota/repository/files.ts";
import { openRepository, repositoryFolder } from "../../../ota/repository/folder.ts";
import { publishImage, publishImages } from "../../../ota/repository/publish.ts";
import { rotateKey } from "../../../ota/repository/rotate.ts";
import { signRepository } from "../../../ota/repository/sign.ts";
import { repositoryStatus } from "../../../ota/repository/status.ts";
import { verifyRepository } from "../../../ota/repository/verify.ts";
import { silentProgress } from "../../../system/progress.ts";
import { lacksImages } from "./image.ts";
import {
  makePublisher,
  type Published,
  type Publisher,
  passphrase,
  seen,
  signAll,
  withOnly,
  without,
} from "./publisher.ts";

const skipped = lacksImages();
const test = everywhere.skipIf(skipped);
const dayMs = 86_400_000;
const madeAt = Date.now() - 8 * dayMs;

let publisher: Publisher;
/** With 0.1.0 of the nuc, published when the repository was made. */
let base: Published;
const images: string[] = [];

beforeAll(async () => {
  if (skipped) return;
  publisher = await makePublisher(madeAt);
  images.push(...(await publisher.images(1, 2)));
  base = await publisher.fresh();
  await publishImage(base.repository, images[0]!, { now: madeAt });
});
afterAll(() => publisher?.[Symbol.asyncDispose]());
const fresh = () => publisher.fresh(base.folder);
const open = async ({ folder }: Published) => await publisher.open(folder);
const staged = async ({ folder }: Published): Promise<string[]> =>
  await readdir(join(folder, "staged")).catch(() => []);
const timestampState = async ({ folder }: Published, now: number) =>
  (await repositoryStatus(folder, now)).roles.find(({ role }) => role === "timestamp")!.state;
const troubles = async ({ folder }: Published) =>
  await verifyRepository(filesIn(repositoryFolder(folder)), silentProgress);

test("a release that waits for its board's key does not keep the timestamp from being renewed", async () => {
  const one = await fresh();
  await without(one, ["nuc"]);
  await publishImage(await open(one), images[1]!, { now: Date.now() });
  for (const days of [7, 14, 21]) {
    const now = Date.now() + days * dayMs;
    const { placed, lacking } = await signRepository(await open(one), now);
    expect(placed).toContain("timestamp");
    expect(lacking).toEqual([{ role: "nuc", signatures: 1 }]);
    expect(await timestampState(one, now)).toBe("fresh");
    expect(await staged(one)).toEqual(["nuc.json"]);
  }
  expect(await seen(one)).toBe("0.1.0");
  await withOnly(one, ["nuc", "snapshot", "timestamp"]);
  expect((await signAll(await open(one), Date.now() + 21 * dayMs)).placed).toEqual(["nuc", "timestamp"]);
  expect(await staged(one)).toEqual([]);
  expect(await seen(one)).toBe("0.2.0");
});

test("what has waited for long is dated when it is signed", async () => {
  const one = await fresh();
  await without(one, ["nuc"]);
  await publishImage(await open(one), images[1]!, { now: Date.now() });
  await withOnly(one, ["nuc", "snapshot", "timestamp"]);
  const later = Date.now() + 60 * dayMs;
  await signAll(await open(one), later);
  const { roles } = await repositoryStatus(one.folder, later);
  expect(roles.find(({ role }) => role === "nuc")).toMatchObject({ version: 3, state: "fresh" });
  expect(await seen(one)).toBe("0.2.0");
});

test("a computer with one root key renews what it can, and the root waits for another key", async () => {
  const one = await fresh();
  await without(one, ["root-2", "root-3"]);
  for (const days of [200, 207, 214]) {
    const now = madeAt + days * dayMs;
    const { placed, lacking } = await signRepository(await open(one), now);
    expect(lacking).toEqual([{ role: "root", signatures: 1 }]);
    if (days === 200) expect(placed).toEqual(["targets", "nuc", "virt-arm64", "rpi3", "rpi4", "rpi5", "timestamp"]);
    expect(await timestampState(one, now)).toBe("fresh");
  }
  expect(await seen(one)).toBe("0.1.0");
});

test("a computer without the snapshot's key renews the timestamp over the snapshot that is there", async () => {
  const one = await fresh();
  await without(one, ["snapshot"]);
  const now = madeAt + 16 * dayMs;
  expect(await signRepository(await open(one), now)).toEqual({
    ...{ placed: ["timestamp"], signed: [] },
    lacking: [{ role: "snapshot", signatures: 1 }],
  });
  expect(await timestampState(one, now)).toBe("fresh");
  expect(await seen(one)).toBe("0.1.0");
});

test("of releases of two boards the one whose key is here does not wait for the other", async () => {
  const one = await fresh();
  const pi = await publisher.image({ board: "rpi4", version: "0.1.0" });
  await without(one, ["rpi4"]);
  const { lacking } = await publishImages(await open(one), [images[1]!, pi], { now: Date.now() });
  expect(lacking).toEqual([{ role: "rpi4", signatures: 1 }]);
  expect([await seen(one), await seen(one, "rpi4")]).toEqual(["0.2.0", undefined]);
  await withOnly(one, ["rpi4", "snapshot", "timestamp"]);
  expect((await signAll(await open(one), Date.now())).lacking).toEqual([]);
  expect([await seen(one), await seen(one, "rpi4")]).toEqual(["0.2.0", "0.1.0"]);
});

test("until a new root is complete its keys sign beside the old ones, and what they sign is placed", async () => {
  const one = await fresh();
  await without(one, ["root-1", "root-2", "root-3"]);
  const now = Date.now();
  await rotateKey(await open(one), "timestamp", { passphrase, now });
  await publishImage(await open(one), images[1]!, { now });
  expect(await seen(one)).toBe("0.2.0");
  expect(await staged(one)).toEqual(["root.json"]);
  // Where the root keys are there is no other.
  await withOnly(one, ["root-1", "root-2"]);
  const lacking = ["snapshot", "timestamp"].map((role) => ({ role, signatures: 1 }));
  expect(await signAll(await open(one), now)).toEqual({ placed: [], signed: ["root"], lacking });
  // The root is complete, and the timestamp's new key is not here.
  await withOnly(one, ["snapshot", "timestamp"]);
  const before = await signRepository(await open(one), now);
  expect(before).toEqual({ placed: ["timestamp"], signed: [], lacking: lacking.slice(1) });
  await withOnly(one, ["snapshot", "timestamp.next"]);
  const { placed } = await signRepository(await openRepository(one.folder, passphrase), now);
  expect(placed).toEqual(["root", "timestamp"]);
  expect(await seen(one)).toBe("0.2.0");
  expect(await troubles(one)).toEqual([]);
});

test("signing tells what it has signed, and what still lacks a signature", async () => {
  const one = await fresh();
  await without(one, ["nuc"]);
  await publishImage(await open(one), images[1]!, { now: Date.now() });
  await withOnly(one, ["nuc"]);
  const lacking = [
    { role: "snapshot", signatures: 1 },
    { role: "timestamp", signatures: 1 },
  ];
  expect(await signAll(await open(one), Date.now())).toEqual({ placed: [], signed: ["nuc"], lacking });
  // Once more, it adds nothing.
  expect(await signAll(await open(one), Date.now())).toEqual({ placed: [], signed: [], lacking });
});

test("two computers with one root key each finish a new root, however far apart they sign", async () => {
  const one = await fresh();
  await without(one, []);
  const signOn = async (rootKey: string, days: number) => {
    await withOnly(one, [rootKey, "snapshot", "timestamp"]);
    return await signRepository(await open(one), madeAt + days * dayMs);
  };
  const waits = [{ role: "root", signatures: 1 }];
  expect((await signOn("root-1", 200)).lacking).toEqual(waits);
  // Past half of the staged root's time.
  expect((await signOn("root-2", 390)).placed).toContain("root");
  expect(await seen(one)).toBe("0.1.0");
  expect((await signOn("root-1", 400)).lacking).toEqual(waits);
  // It has expired before it was complete.
  expect(await signOn("root-2", 800)).toMatchObject({ signed: ["root"], lacking: waits });
  expect((await signOn("root-1", 801)).placed).toContain("root");
});
