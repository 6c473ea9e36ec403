// Rollouts over a neighborhood of three whole devices. Each case throws if it ends otherwise.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RolloutStatus } from "../../ota/rollout/report.ts";
import { every } from "../../system/clock.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { bootLab, deviceOf, type TestLab, well } from "./lab.ts";
import { type Releases, testReleases } from "./releases.ts";

type Home = { lab: TestLab; releases: Releases };

const patient = { within: 600_000, every: 2_000 };
const held = "cellar";

/** A release whose mesh does not come up stops at the first device, and the next one reaches all, one after the other. */
export const proveRollout = (): Promise<void> =>
  withThree(async ({ lab, releases }) => {
    const bad = await releases.buildWithoutMesh("0.2.0");
    const good = await releases.build("0.2.1");
    await using away = watchAway(lab);

    await releases.publish(bad);
    await start(lab, "0.2.0");
    const failed = await watch(lab);
    assert.equal(failed.code, 4, failed.stdout + failed.stderr);
    assert.match(failed.stdout, /trial\.meshDown/);
    await eventually(async () => assert.deepEqual(await releasesOf(lab), ["0.1.0", "0.1.0", "0.1.0"]), patient);
    await well(lab, "rollout", "abort", "--yes");

    await releases.publish(good);
    const startedAt = performance.now();
    await start(lab, "0.2.1");
    const done = await watch(lab);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    await eventually(async () => assert.deepEqual(await releasesOf(lab), ["0.2.1", "0.2.1", "0.2.1"]), patient);
    console.log(
      `  three devices in ${Math.round((performance.now() - startedAt) / 1_000)} s; at most ${away.most()} away`,
    );
    assert.equal(away.most(), 1);
  });

/**
 * The web goes away while the first device fetches, that device loses its cable while it holds the lease, the next one loses its power,
 * and somebody watches a film on the third: the status names each, and the rollout goes on once they are back.
 */
export const proveTrouble = (): Promise<void> =>
  withThree(async ({ lab, releases }) => {
    await releases.publish(await releases.build("0.2.0"));
    await well(lab, "hold", held, "--for", "1h", "--reason", "film", "--yes");
    await well(lab, "lab", "cut", "--web");
    await start(lab, "0.2.0");
    const [first, next] = await turnsOf(lab);
    await says(lab, "the web is away", ({ waits, members }) =>
      [waits, ...members.map((member) => member.waits)].some(
        (wait) => wait?.on === "updater" && wait.code === "update.unreachable",
      ),
    );
    await well(lab, "lab", "power", "--web");

    await says(lab, `${first.name} restarts`, ({ members }) => isUpdating(members, first.id));
    await lab.until((status) => deviceOf(status, first.name).state !== "alive");
    await lab.partition(first.name);
    await lab.cut(next.name);
    await lab.until((status) => deviceOf(status, first.name).release === "0.2.0");
    await well(lab, "lab", "heal", first.name);
    await eventually(async () => assert.equal((await told(lab)).updated, 1), patient);
    await says(lab, `${next.name} is away`, ({ waits, members }) =>
      [waits, ...members.map((member) => member.waits)].some(
        (wait) => wait?.on === "absence" && wait.device === next.id,
      ),
    );
    await lab.restore(next.name);
    const done = await watch(lab);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stdout, new RegExp(`${held}.*film`));

    await well(lab, "hold", held, "--end", "--yes");
    await eventually(async () => assert.deepEqual(await releasesOf(lab), ["0.2.0", "0.2.0", "0.2.0"]), patient);
  });

/** They run 0.1.0, which their repository has, and their updaters are up. */
async function withThree(use: (home: Home) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-rollout-"));
  try {
    const first = await testImage();
    const releases = await testReleases(folder);
    await releases.publish(first);
    await using lab = await bootLab({
      ...{ images: [first], devices: 3, web: releases.publisher.served, from: "state" },
    });
    await eventually(async () => assert.ok((await slotsOf(lab)).every((slot) => slot !== undefined)), patient);
    await use({ lab, releases });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const start = (lab: TestLab, release: string) =>
  well(
    lab,
    "rollout",
    "start",
    "--release",
    release,
    ...["--waves", "canary,100%"],
    ...["--soak", "5s"],
    ...["--max-failures", "1"],
    "--yes",
  );
const watch = (lab: TestLab) => lab.hamlet("rollout", "status", "--watch");

async function told(lab: TestLab): Promise<RolloutStatus> {
  const { stdout, stderr } = await lab.hamlet("rollout", "status", "--json");
  assert.notEqual(stdout, "", stderr);
  return RolloutStatus.parse(JSON.parse(stdout));
}

/** Waits until the status of the rollout shows it, and prints the words that people read then. */
async function says(lab: TestLab, what: string, isShown: (status: RolloutStatus) => boolean): Promise<void> {
  await eventually(async () => {
    const status = await told(lab);
    assert.ok(isShown(status), `the status does not say that ${what}: ${JSON.stringify(status)}`);
  }, patient);
  const { stdout } = await lab.hamlet("rollout", "status");
  console.log(`  ${what}: ${stdout.split("\n")[0]}`);
}

/** The two that are not held, in the order of their turns. */
async function turnsOf(lab: TestLab) {
  const { devices } = await lab.status();
  const { members } = await eventually(async () => {
    const status = await told(lab);
    assert.equal(status.members.length, 3);
    assert.ok(status.members.some(({ standing }) => standing === "held"));
    return status;
  }, patient);
  const turns = members.filter(({ standing }) => standing !== "held");
  const [first, next] = turns.map(({ id }) => devices.find((device) => device.id === id)!);
  assert.ok(first && next);
  return [
    { id: first.id!, name: first.name },
    { id: next.id!, name: next.name },
  ] as const;
}

const isUpdating = (members: RolloutStatus["members"], id: string) =>
  members.some((member) => member.id === id && member.standing === "updating");

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
