// Updates of a whole device that end in another way than `hamlet update now` alone: going back, from a folder without network and
// clock, after a power cut, and past a web that was away. Each throws if the device does not end as it should.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Activity, isReached, isUnderWay } from "../../image/lab/power/moment.ts";
import { webUrl } from "../../image/lab/web/web.ts";
import { run } from "../../system/command.ts";
import { draw } from "../../system/random.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { bootLab, deviceOf, shell, type TestLab } from "./lab.ts";
import { joinPeer } from "./peer.ts";
import { type Releases, testReleases } from "./releases.ts";

type Home = { lab: TestLab; releases: Releases; folder: string };
const patient = { within: 300_000, every: 1_000 };
const [old, next] = ["0.1.0", "0.2.0"];

/** A device with 0.1.0 whose repository has 0.2.0, and unless it is alone another member. */
async function withUpdate({ isAlone = false }, use: (home: Home) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-case-"));
  try {
    const first = await testImage();
    const releases = await testReleases(folder);
    await releases.publish(first);
    await releases.publish(await releases.build(next));
    await using lab = await bootLab({ images: [first], devices: 1, web: releases.publisher.served, from: "state" });
    await using _peer = isAlone ? undefined : await joinPeer(lab, "cellar");
    await use({ lab, releases, folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const reportOf = async (lab: TestLab) => (await lab.statusOf("attic")).update;
const activityOf = async (lab: TestLab): Promise<Activity | undefined> => deviceOf(await lab.status(), "attic").update;
const update = (lab: TestLab, ...argv: string[]) => lab.hamlet("update", ...argv, "--device", "attic");

async function runs(lab: TestLab, version: string): Promise<void> {
  await eventually(async () => {
    const report = await reportOf(lab);
    assert.equal(report?.running.version, version);
    assert.equal(report.activity.phase, "idle");
  }, patient);
}

/** Asks until the device has the newest release: what a cut trial left counts as void, and waits for ten minutes if nobody asks. */
async function finishes(lab: TestLab, id: string | undefined): Promise<void> {
  await eventually(async () => {
    const { code, stdout, stderr } = await update(lab, "now", "--watch");
    assert.equal(code, 0, stdout + stderr);
    assert.equal((await reportOf(lab))?.running.version, next);
  }, patient);
  await runs(lab, next);
  assert.equal(deviceOf(await lab.status(), "attic").id, id, "the device is another member now");
}

/** `hamlet update back`, and forward again with `hamlet update retry`. */
export const proveBack = (): Promise<void> =>
  withUpdate({}, async ({ lab }) => {
    assert.equal((await update(lab, "now", "--watch")).code, 0);
    await runs(lab, next);
    const back = await update(lab, "back", "--yes", "--watch");
    assert.equal(back.code, 0, back.stderr);
    await runs(lab, old);
    assert.match((await update(lab, "now")).stderr, /update\.failedBefore/);
    const again = await update(lab, "retry", "--watch");
    assert.equal(again.code, 0, again.stderr);
    await runs(lab, next);
  });

/** `hamlet update install` on a device without a network that has the clock of 1970. */
export const proveInstall = (): Promise<void> =>
  withUpdate({ isAlone: true }, async ({ lab, releases, folder }) => {
    const stick = join(folder, "stick");
    const from = ["--board", "nuc", "--folder", releases.publisher.folder];
    await releases.hamlet("ota", "export", "newest", ...from, "-o", stick);
    // The data partition grows at the end of the first start.
    await shell(lab, "attic", "systemctl start hamlet-grow.service");
    await shell(lab, "attic", "mkdir -p /var/lib/hamlet/stick && mount --bind /var/lib/hamlet/stick /mnt");
    await sendFolder(lab, releases.publisher, stick, "/mnt");
    await lab.partition("attic");
    await shell(lab, "attic", "date --utc --set 1970-01-02");
    const { code, stdout, stderr } = await update(lab, "install", "/mnt", "--watch");
    assert.equal(code, 0, stdout + stderr);
    await runs(lab, next);
  });

/** `hamlet lab cut attic --during update --seed`, then `hamlet lab power attic`. */
export const proveCut = (seed: number): Promise<void> =>
  withUpdate({}, async ({ lab }) => {
    const { id } = deviceOf(await lab.status(), "attic");
    const cut = lab.hamlet("lab", "cut", "attic", "--during", "update", "--seed", String(seed));
    await update(lab, "now");
    const { code, stderr } = await cut;
    assert.equal(code, 0, stderr);
    console.log(`  ${stderr.trim()}`);
    assert.equal((await lab.hamlet("lab", "power", "attic")).code, 0);
    await lab.until((status) => deviceOf(status, "attic").state === "alive");
    await finishes(lab, id);
  });

/** `hamlet lab cut --web` in the middle of an update over a bad line, and the cable is plugged in again. */
export const proveWebCut = (seed: number): Promise<void> =>
  withUpdate({}, async ({ lab }) => {
    const { id } = deviceOf(await lab.status(), "attic");
    const share = draw({ seed }) * 0.8;
    assert.equal((await lab.hamlet("lab", "link", "attic", "--kbit", "512", "--loss", "2")).code, 0);
    await update(lab, "now");
    await eventually(async () => isReached({ phase: "writing", share }, await activityOf(lab)), patient);
    assert.equal((await lab.hamlet("lab", "cut", "--web")).code, 0);
    // It waits for the web, unless it had all that it needs.
    await eventually(async () => {
      const activity = await activityOf(lab);
      return activity?.phase === "waiting" || isReached({ phase: "restarting", share: 0 }, activity);
    }, patient);
    console.log(`  without web from ${Math.round(share * 100)} % on: ${(await activityOf(lab))?.phase}`);
    assert.equal((await lab.hamlet("lab", "heal")).code, 0);
    await eventually(async () => !isUnderWay(await activityOf(lab)), patient);
    await finishes(lab, id);
  });

/** The lab's web carries it; its own port is slow. */
async function sendFolder(lab: TestLab, { served }: { served: string }, folder: string, to: string): Promise<void> {
  const [name, tar] = ["stick.tar", "/var/lib/hamlet/stick.tar"];
  await run(["tar", "-C", folder, "-cf", join(served, name), "."], { timeoutMs: 120_000 });
  const fetching = `fetch("${webUrl}${name}").then(({ body }) => fs.promises.writeFile("${tar}", body))`;
  await shell(lab, "attic", `/usr/lib/hamlet/node -e '${fetching}' && tar -C ${to} -xf ${tar} && rm ${tar}`);
}
