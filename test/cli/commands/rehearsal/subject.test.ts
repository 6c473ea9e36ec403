// What a rehearsal refuses before it starts anything, and which image it takes for the old release.
import { cp, mkdir, mkdtemp, open, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, test as everywhere, expect } from "vitest";
import { removeAbandoned } from "../../../../cli/commands/rollout/rehearsal/lab-stage.ts";
import {
  chooseSubjects,
  findImage,
  neededBytes,
  type Releases,
  readRepository,
  requireRoom,
} from "../../../../cli/commands/rollout/rehearsal/subject.ts";
import { rolloutRehearse } from "../../../../cli/commands/rollout/rehearse.ts";
import { parseInput } from "../../../../cli/terminal/command.ts";
import { inspectImage } from "../../../../image/inspect/inspect.ts";
import { takeLock } from "../../../../image/lab/supervisor/lock.ts";
import type { Manifest } from "../../../../ota/format/manifest.ts";
import { readImage } from "../../../../ota/repository/read-image.ts";
import { silentProgress } from "../../../../system/progress.ts";
import { lacksImages, makeReleaseImage } from "../../../ota/repository/image.ts";
import { makePublisher, type Publisher } from "../../../ota/repository/publisher.ts";

const test = everywhere.skipIf(lacksImages());
let home = "";
let publisher: Publisher;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "hamlet-rehearsal-"));
  publisher = await makePublisher();
});
afterAll(async () => {
  await publisher[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const manifest = (board: string, version: string) => ({ board, version, parts: [] }) as unknown as Manifest;
const releases: Releases = new Map([
  ["nuc", [manifest("nuc", "0.3.0"), manifest("nuc", "0.2.0"), manifest("nuc", "0.1.0")]],
  ["rpi4", [manifest("rpi4", "0.2.0")]],
  ["rpi3", []],
]);
const runs = (board: string, from: string) => ({ board, from, devices: ["attic"] });
const choose = (release: string, ...wanted: ReturnType<typeof runs>[]) =>
  chooseSubjects(releases, release, wanted, "ota");

everywhere("each board and each older release that the neighborhood runs is a subject of its own", () => {
  const subjects = choose(
    "0.3.0",
    runs("nuc", "0.1.0"),
    runs("nuc", "0.2.5"),
    runs("nuc", "0.3.0"),
    runs("rpi3", "0.1.0"),
  );
  expect(subjects.map(({ board, from, old }) => [board, from, old?.version])).toEqual([
    ["nuc", "0.1.0", "0.1.0"],
    ["nuc", "0.2.5", undefined],
  ]);
});

everywhere.each<[string, () => unknown, object]>([
  ["is not in the repository", () => choose("9.9.9", runs("nuc", "0.1.0")), { code: "ota.notFound" }],
  ["is for no board of the neighborhood", () => choose("0.3.0", runs("rpi3", "0.1.0")), { code: "ota.notFound" }],
  ["is what the devices run", () => choose("0.3.0", runs("nuc", "0.3.0")), { code: "update.notNewer", exitCode: 3 }],
  [
    "is older than what they run",
    () => choose("0.2.0", runs("rpi4", "0.4.0")),
    { code: "update.notNewer", exitCode: 3 },
  ],
  ["is not the newest", () => choose("0.2.0", runs("nuc", "0.1.0")), { code: "rehearsal.notNewest", exitCode: 3 }],
])("a release that %s is refused", (_, act, refusal) => {
  expect(act).toThrow(expect.objectContaining(refusal));
});

everywhere.each([
  [["--release", "0.2.0", "--devices", "1"], "--devices is a whole number from 2 to 6"],
  [["--release", "0.2.0", "--devices", "seven"], "--devices is a whole number from 2 to 6"],
  [["--release", "0.2.0", "--seed", "x"], "--seed is a whole number"],
  [[], "--release is missing"],
])("%j is used wrongly", async (argv, message) => {
  const context = { print() {}, note() {}, progress: silentProgress };
  await expect(rolloutRehearse.run(parseInput(rolloutRehearse, argv, {}), context)).rejects.toMatchObject({
    ...{ code: "usage.invalid", exitCode: 2 },
    message: expect.stringContaining(message),
  });
});

everywhere("a folder that is no repository, and one that has expired, are refused before a lab starts", async () => {
  await expect(readRepository(join(home, "nothing"), Date.now())).rejects.toMatchObject({ code: "ota.notFound" });
  const { folder } = await publisher.fresh();
  expect([...(await readRepository(folder, Date.now())).values()].flat()).toEqual([]);
  const decade = 10 * 365 * 86_400_000;
  await expect(readRepository(folder, Date.now() + decade)).rejects.toMatchObject({ code: "update.expired" });
});

test("the image of the old release is the one whose root hash is published, whatever others are called", async () => {
  const [own, other] = [join(home, "own"), join(home, "other")];
  for (const folder of [own, other]) await mkdir(folder);
  const image = await makeReleaseImage(own, { version: "0.1.0", files: { a: "one" } });
  const foreign = await makeReleaseImage(other, { version: "0.1.0", files: { a: "two" } });
  const newer = await makeReleaseImage(other, { version: "0.2.0" });
  const { verity } = await readImage(image);
  const subject = { board: "nuc", from: "0.1.0", old: { verity } as unknown as Manifest };
  const missing = join(home, "missing.img");
  expect(await findImage(subject, [missing, foreign, newer, image])).toBe(image);
  const error = await findImage(subject, [missing, foreign, newer]).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "rehearsal.noImage", hint: expect.stringContaining("--image") });
  const { message } = error as Error;
  expect(message).toContain("missing.img");
  expect(message).toContain("is another build of 0.1.0 than the published one");
  expect(message).toContain("is of nuc 0.2.0");
  // A release that was never published: its image says what it is.
  expect(await findImage({ board: "nuc", from: "0.1.0" }, [foreign])).toBe(foreign);
});

test("an image that a device has used is not taken", async () => {
  const folder = join(home, "used");
  await mkdir(folder);
  const image = await makeReleaseImage(folder, { version: "0.1.0" });
  const used = join(folder, "used.img");
  await cp(image, used);
  const { partitions } = await inspectImage(used);
  const data = partitions.find(({ label }) => label === "data")!;
  await using file = await open(used, "r+");
  await file.write(Buffer.alloc(4096, 1), 0, 4096, data.firstByte + 1024);
  await expect(findImage({ board: "nuc", from: "0.1.0" }, [used])).rejects.toMatchObject({ code: "rehearsal.noImage" });
});

everywhere("a disk without room for all that devices may write is refused", async () => {
  const parts = [{ sizeBytes: 300e6 }] as Manifest["parts"];
  expect(neededBytes(3, { parts })).toBe(3 * (1200e6 + 2 ** 30));
  await requireRoom(home, 1);
  await expect(requireRoom(home, 2 ** 60)).rejects.toMatchObject({
    ...{ code: "file.full", hint: expect.stringContaining("--devices 2") },
  });
});

everywhere("what a killed rehearsal left is removed by the next; one that runs and one that begins stay", async () => {
  const parent = join(home, "state");
  const names = ["rehearsal-dead01", "rehearsal-live01", "rehearsal-new001", "lab"];
  for (const name of names) await mkdir(join(parent, name), { recursive: true });
  await takeLock(join(parent, "rehearsal-live01", "supervisor.lock"));
  await writeFile(join(parent, "rehearsal-dead01", "attic.qcow2"), "disk");
  const hourAgo = new Date(Date.now() - 3_600_000);
  for (const name of names.filter((one) => one !== "rehearsal-new001"))
    await utimes(join(parent, name), hourAgo, hourAgo);
  await removeAbandoned(parent, Date.now());
  expect((await readdir(parent)).sort()).toEqual(["lab", "rehearsal-live01", "rehearsal-new001"]);
});
