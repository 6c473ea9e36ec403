// A rollout over a neighborhood of three whole devices: a release whose mesh does not come up stops at the first of them, and the next
// one reaches all, one after the other. Throws if it ends otherwise.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { every } from "../../system/clock.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { bootLab, type TestLab } from "./lab.ts";
import { testReleases } from "./releases.ts";

const patient = { within: 600_000, every: 2_000 };

export async function proveRollout(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-rollout-"));
  try {
    const first = await testImage();
    const releases = await testReleases(folder);
    await releases.publish(first);
    const bad = await releases.buildWithoutMesh("0.2.0");
    const good = await releases.build("0.2.1");
    await using lab = await bootLab({
      ...{ images: [first], devices: 3, web: releases.publisher.served, from: "state" },
    });
    await eventually(async () => assert.ok((await slotsOf(lab)).every((slot) => slot !== undefined)), patient);
    await using away = watchAway(lab);

    await releases.publish(bad);
    const failed = await rollOut(lab, "0.2.0");
    assert.equal(failed.code, 4, failed.stdout + failed.stderr);
    assert.match(failed.stdout, /trial\.meshDown/);
    await eventually(async () => assert.deepEqual(await releasesOf(lab), ["0.1.0", "0.1.0", "0.1.0"]), patient);
    const aborted = await lab.hamlet("rollout", "abort", "--yes");
    assert.equal(aborted.code, 0, aborted.stderr);

    await releases.publish(good);
    const startedAt = performance.now();
    const done = await rollOut(lab, "0.2.1");
    assert.equal(done.code, 0, done.stdout + done.stderr);
    await eventually(async () => assert.deepEqual(await releasesOf(lab), ["0.2.1", "0.2.1", "0.2.1"]), patient);
    console.log(
      `  three devices in ${Math.round((performance.now() - startedAt) / 1_000)} s; at most ${away.most()} away`,
    );
    assert.equal(away.most(), 1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function rollOut(lab: TestLab, release: string) {
  const terms = ["--waves", "canary,100%", "--soak", "5s", "--max-failures", "1", "--yes"];
  const started = await lab.hamlet("rollout", "start", "--release", release, ...terms);
  assert.equal(started.code, 0, started.stderr);
  return await lab.hamlet("rollout", "status", "--watch");
}

const slotsOf = async (lab: TestLab) => (await lab.status()).devices.map(({ slot }) => slot);
const releasesOf = async (lab: TestLab) => (await lab.status()).devices.map(({ release }) => release);

/** Counts how many devices are away from the mesh at once. */
function watchAway(lab: TestLab): AsyncDisposable & { most(): number } {
  let most = 0;
  const look = async () => {
    const { devices } = await lab.status();
    most = Math.max(most, devices.filter(({ state }) => state !== "alive").length);
  };
  const looking = every(1_000, look, () => {});
  return {
    most: () => most,
    async [Symbol.asyncDispose]() {
      looking.stop();
    },
  };
}
