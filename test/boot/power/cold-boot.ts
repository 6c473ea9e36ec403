// Starts a whole device from a disk that a power cut during a recorded update may have left, under the real firmware.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../eventually.ts";
import { publisherIn } from "../image.ts";
import { bootLab, deviceOf, type TestLab } from "../lab.ts";
import { hasMet, startPeer } from "../peer.ts";
import { testReleases } from "../releases.ts";
import { judgeStates } from "./judge.ts";
import type { Choice } from "./loader.ts";
import { quotasOf, readPromises } from "./promises.ts";
import type { Recording } from "./recording.ts";
import { chooseStates } from "./states.ts";

const patient = { within: 600_000, every: 1_000 };
/** Newer than what was recorded, and good. */
const finish = "0.2.2";

/**
 * Writes one state of the recorded disk, starts it, and checks that the release starts which the model of the loader names, that the
 * device says which it runs, and that it goes on to the newest release. Throws otherwise.
 */
export async function proveColdBoot(recording: Recording, seed: number): Promise<void> {
  assert.ok(
    existsSync(recording.around.publisher),
    "the recording is an older one: run test/boot/update.test.ts again",
  );
  const folder = await mkdtemp(join(tmpdir(), "hamlet-cold-"));
  try {
    const disk = join(folder, "cut.img");
    const { first } = await layState(recording, seed, disk);
    const publisher = publisherIn(join(folder, "ota"));
    await cp(recording.around.publisher, publisher.folder, { recursive: true });
    const releases = await testReleases(folder, publisher);
    await releases.publish(await releases.build(finish));
    // The disk has an identity.
    const how = { images: [disk], devices: 1, web: publisher.served, isProvisioned: false };
    await using lab = await bootLab(how);
    await using peer = await startPeer(lab, (state) => cp(recording.around.peer, state, { recursive: true }));
    await eventually(async () => assert.match(await consoleOf(lab), /Hamlet \S+ \(nuc\) starts/), patient);
    const [, started] = /Hamlet (\S+) \(nuc\) starts/.exec(await consoleOf(lab)) ?? [];
    assert.equal(started, first.version, "another release starts than the model of the loader says");
    await eventually(() => hasMet(lab, peer), patient);
    const running = async () => (await lab.statusOf("attic")).update?.running.version;
    const came = await eventually(async () => (await running()) ?? false, patient);
    await eventually(async () => {
      const { code, stdout, stderr } = await lab.hamlet("update", "now", "--watch", "--device", "attic");
      assert.equal(code, 0, stdout + stderr);
      assert.equal(await running(), finish);
    }, patient);
    console.log(`  ${first.file} started, the device said ${came}, and runs ${finish} now`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Half of the states lie between the slot's last write and the end of the commit. */
async function layState(recording: Recording, seed: number, path: string): Promise<Choice> {
  const promises = await readPromises(recording);
  const states = chooseStates(recording.entries, quotasOf(recording, promises), 1_000, seed);
  const state = states[(seed * 7_919) % states.length]!;
  let choice: Choice | undefined;
  await judgeStates(recording, promises, recording.entries, [state], async (disk, verdict) => {
    assert.equal(verdict.problem, undefined);
    choice = verdict.choice;
    disk.copyTo(path, { offset: 0, length: diskBytes });
  });
  return choice!;
}

/** Of a lab's device. */
const diskBytes = 8_000_000_000;

const consoleOf = async (lab: TestLab): Promise<string> =>
  readFile(deviceOf(await lab.status(), "attic").console, "utf8");
