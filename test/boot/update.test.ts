// One device of two updates itself: the new release is written beside the old one, tried, and kept; a release whose mesh does not
// come up is tried, and the old one comes back.
// Beside the one machine its neighborhood has a member without one, which pings it through the mesh all the time.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isReached } from "../../image/lab/power/moment.ts";
import { LabStatus } from "../../image/lab/supervisor/status.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { bootLab, deviceOf, type TestLab } from "./lab.ts";
import { joinPeer, type Peer } from "./peer.ts";
import { keepRecording, openRecording } from "./power/recording.ts";
import { testPowerCuts } from "./power/tests.ts";
import { type Releases, testReleases } from "./releases.ts";
import { beforeStop, countLosses, type Watch, watchDevice } from "./watch.ts";

/** `lab status` shows what a device said last, which may be some seconds old. */
const soon = { within: 60_000, every: 1_000 };
/** No ping is lost, and the page answers. */
const unharmed = { answered: expect.toSatisfy(isSome), lost: 0, pages: expect.toSatisfy(isSome), pageFailures: [] };
let folder = "";
let releases: Releases;
let lab: TestLab;
let peer: Peer;
let watch: Watch;
const images = { good: "", bad: "" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-update-"));
  releases = await testReleases(folder);
  const first = await testImage();
  const building = buildReleases(first);
  // It is awaited below; a lab that does not start must not leave it unheard.
  building.catch(() => {});
  lab = await bootLab({ images: [first], devices: 1, web: releases.publisher.served, from: "state" });
  await lab.until(hasUpdater);
  peer = await joinPeer(lab, "cellar");
  const { address, page } = deviceOf(await lab.status(), "attic");
  watch = await watchDevice(peer, { address: address!, page });
  await building;
});
afterAll(async () => {
  await watch?.[Symbol.asyncDispose]();
  await peer?.[Symbol.asyncDispose]();
  await lab?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** It comes up after the agent, and tells the slot. */
const hasUpdater = (status: LabStatus): boolean => deviceOf(status, "attic").slot !== undefined;

async function buildReleases(first: string): Promise<void> {
  await releases.publish(first);
  images.good = await releases.build("0.2.0");
  images.bad = await releases.buildWithoutMesh("0.2.1");
}

const attic = async () => {
  const { stdout } = await lab.hamlet("lab", "status", "--json");
  const { release, slot, id } = deviceOf(LabStatus.parse(JSON.parse(stdout)), "attic");
  return { release, slot, id };
};
/** Bytes that the web sent to the attic since the last call. */
let counted = 0;
const fetchedBytes = async () => {
  const { stdout } = await lab.hamlet("lab", "web", "--json");
  const total: number = JSON.parse(stdout).takers.find(({ name }: { name: string }) => name === "attic").bytes;
  const news = total - counted;
  counted = total;
  return news;
};
/** When the system that runs on the attic was started. */
const bootedMs = async () => {
  const { stdout } = await lab.on("attic", "cat", "/proc/uptime");
  return Date.now() - Number.parseFloat(stdout) * 1_000;
};
const pidOfUpdater = async () => {
  const { stdout } = await lab.on("attic", "systemctl", "show", "hamlet-updater", "-p", "MainPID", "--value");
  return stdout.trim();
};
function isSome(count: unknown): boolean {
  return Number(count) > 0;
}

test("pings that an update loses are told from those that its restart loses", () => {
  const answers = [1, 2, 4, 5, 20, 22].map((sequence) => ({ sequence, atMs: sequence * 10 }));
  expect(countLosses(answers, 150)).toEqual({ answered: 4, lost: 1, lastMs: 50 });
  expect(countLosses(answers, 35)).toEqual({ answered: 2, lost: 0, lastMs: 20 });
  expect(countLosses(answers, Number.POSITIVE_INFINITY)).toEqual({ answered: 6, lost: 16, lastMs: 220 });
});

test("a page that fails is told from one that its restart has stopped", () => {
  const page = (endedMs: number, failure?: string) => ({ endedMs, ...(failure !== undefined && { failure }) });
  const failed = page(3_000, "refused");
  expect(beforeStop([page(1_000), failed, page(6_000)], 7_000)).toContain(failed);
  expect(beforeStop([page(1_000), failed], 7_000)).toEqual([page(1_000)]);
  expect(beforeStop([page(1_000), failed], 600_000)).toContain(failed);
});

test("a device that runs the newest release says so, and fetches next to nothing", async () => {
  const { code, stdout } = await lab.hamlet("update", "check", "--device", "attic");
  expect([code, stdout]).toEqual([0, "attic runs 0.1.0, the newest release\n"]);
  expect(await fetchedBytes()).toBeLessThan(100_000);
});

test("a device updates to a newer release although its updater was killed, fetches only what changed, and stays the same member", async () => {
  const before = await attic();
  expect(before).toMatchObject({ release: "0.1.0", slot: "a" });
  await releases.publish(images.good);
  const place = await watch.now();
  const update = lab.hamlet("update", "now", "--watch", "--device", "attic");
  await eventually(
    async () => isReached({ phase: "writing", share: 0.2 }, deviceOf(await lab.status(), "attic").update),
    {
      within: 120_000,
    },
  );
  await lab.on("attic", "kill", "-KILL", await pidOfUpdater());
  const { code, stdout, stderr } = await update;
  expect([code, stdout, stderr]).toEqual([0, expect.stringContaining("0.2.0"), expect.any(String)]);
  expect(await watch.since(place, await bootedMs())).toEqual(unharmed);
  await eventually(async () => expect(await attic()).toEqual({ id: before.id, release: "0.2.0", slot: "b" }), soon);
  expect(await fetchedBytes()).toBeLessThan(5_000_000);
  const { stdout: history } = await lab.hamlet("update", "history", "--json", "--device", "attic");
  // The cellar is its witness.
  const witnesses = [expect.objectContaining({ handshake: true, gossip: true, connection: true })];
  const ends = JSON.parse(history).history;
  expect(ends).toEqual([expect.objectContaining({ from: "0.1.0", to: "0.2.0", outcome: "committed", witnesses })]);
  expect(ends[0]).not.toHaveProperty("isAlone");
  expect(ends[0]).not.toHaveProperty("isUnwitnessed");
});

test("a release whose mesh does not come up is tried, and the old one comes back and says why", async () => {
  await releases.publish(images.bad);
  const place = await watch.now();
  const { code, stdout, stderr } = await lab.hamlet("update", "now", "--watch", "--device", "attic");
  expect([code, stdout, stderr]).toEqual([4, expect.stringContaining("0.2.1"), expect.any(String)]);
  expect(await watch.since(place, await bootedMs())).toEqual(unharmed);
  await eventually(async () => expect(await attic()).toMatchObject({ release: "0.2.0", slot: "b" }), soon);
  const { stdout: history } = await lab.hamlet("update", "history", "--json", "--device", "attic");
  const { history: [latest] = [], fallback } = JSON.parse(history);
  expect(latest).toMatchObject({ from: "0.2.0", to: "0.2.1", outcome: "failed", check: "trial.meshDown" });
  expect(fallback.log.join("\n")).toContain("hamlet-agent");
  expect((await lab.statusOf("attic")).warnings.map((one) => one.code)).toContain("update.fallback");
});

test("a release that failed waits until someone asks for it again, and a fallback warns until it is seen", async () => {
  const place = await watch.now();
  const { stderr } = await lab.hamlet("update", "now", "--device", "attic");
  expect(stderr).toContain("update.failedBefore");
  expect((await lab.hamlet("update", "seen", "--device", "attic")).code).toBe(0);
  expect((await lab.statusOf("attic")).warnings.map((one) => one.code)).not.toContain("update.fallback");
  expect(await watch.since(place)).toEqual(unharmed);
});

// The log of all that, on a computer without a lab that runs.
testPowerCuts(async () => {
  await keepRecording(lab.folder, "attic", { peer: peer.state, publisher: releases.publisher.folder });
  await watch[Symbol.asyncDispose]();
  await peer[Symbol.asyncDispose]();
  await lab.down();
  return (await openRecording())!;
});
