// A home without an operator, with real agents: a release whose publisher lets homes take it appears on the web, and they take it, one
// after the other, under a real lease. Only the disk and the updater are doubles. Each case throws if it ends otherwise.
import assert from "node:assert/strict";
import { join } from "node:path";
import { openAgentDoor } from "../../ota/updater/agent-door.ts";
import { findNewest } from "../../ota/updater/metadata.ts";
import type { RolloutPolicy } from "../../provisioning/trust/rollout-policy.ts";
import { sleep } from "../../system/clock.ts";
import { fakeUpdater, reportOf } from "../agent/update/updater.ts";
import { eventually } from "../eventually.ts";
import { board, makeRepository } from "../ota/updater/repository.ts";
import { type Home, makeNeighborhood } from "./neighborhood.ts";
import { startWeb } from "./web.ts";

const names = ["attic", "cellar", "kitchen"];
const [before, after] = ["1.0", "1.1"];
const waves: RolloutPolicy["waves"] = ["canary", 100];
const policy: RolloutPolicy = { kind: "auto", waves, soakSeconds: 1, successPercent: 95, maxFailures: 1 };

/** What happened, in this order, and who is in its restart. */
type Diary = { restarts: string[]; away: Set<string>; most: number };

/** Speaks for the updater of one device until `signal` ends: it finds releases through the agent, and restarts it into them. */
async function beUpdater(
  { home, url, firstRoot, isGood }: { home: Home; url: string; firstRoot: Buffer; isGood: boolean },
  name: string,
  diary: Diary,
  signal: AbortSignal,
): Promise<void> {
  const socket = join(home.folder(name), "run/agent.sock");
  const config = (release: string) => ({ release, board, update: { repositories: [url] } });
  const updater = fakeUpdater(socket, reportOf({ running: { slot: "a", version: before } }));
  const check = async () => {
    const question = { board, door: openAgentDoor(socket), kept: undefined, firstRoot, floors: {}, nowMs: Date.now() };
    const { manifest } = await findNewest({ ...question, workIn: home.folder(name) });
    const auto = manifest.rollout && { auto: { release: manifest.version, policy: manifest.rollout, publisher: "5f" } };
    updater.report = { ...updater.report, newest: manifest.version, ...auto };
  };
  const restart = async () => {
    diary.restarts.push(name);
    diary.away.add(name);
    diary.most = Math.max(diary.most, diary.away.size);
    await updater.tell({ phase: "restarting", version: after });
    await home.agent(name).kill("SIGKILL");
    const runs = isGood ? after : before;
    await home.startAgent(name, config(runs));
    await eventually(
      async () => {
        const { members } = await home.status(name);
        assert.equal(members.filter(({ state }) => state === "alive").length, names.length);
      },
      { within: 30_000, every: 200 },
    );
    diary.away.delete(name);
    const outcome = isGood ? "committed" : "failed";
    const end = {
      atMs: Date.now(),
      from: before,
      to: after,
      outcome,
      ...(!isGood && { check: "trial.noGossip" }),
    } as const;
    await updater.tell({ phase: "idle" }, { running: { slot: "b", version: runs }, history: [end] });
  };
  for (; !signal.aborted; await sleep(200)) {
    if (updater.report.newest !== after) await check().catch(() => {});
    const patience = AbortSignal.any([signal, AbortSignal.timeout(updater.report.newest === after ? 20_000 : 1_000)]);
    const request = await updater.wait(patience).catch(() => undefined);
    if (request?.kind === "prepare") await updater.tell({ phase: "ready", version: after });
    if (request?.kind === "restart") await restart();
  }
  updater.stop();
}

async function rollOut(isGood: boolean, isOver: (home: Home, diary: Diary) => Promise<void>): Promise<Diary> {
  await using home = await makeNeighborhood(names);
  const web = await startWeb(home);
  const repository = makeRepository();
  const first = repository.publish(repository.makeRelease(before));
  await web.put(repository);
  for (const name of names) {
    // By this an agent knows that its machine was started from an image.
    await home.on(name)(["mkdir", "-p", "/run/hamlet-disk"]);
    await home.provision(name);
    await home.startAgent(name, { release: before, board, update: { repositories: [web.url] } });
  }
  const diary: Diary = { restarts: [], away: new Set(), most: 0 };
  const ending = new AbortController();
  const { firstRoot } = repository;
  const updaters = names.map((name) =>
    beUpdater({ home, url: web.url, firstRoot, isGood }, name, diary, ending.signal),
  );
  await eventually(
    async () => {
      for (const name of names) assert.equal((await home.status(name)).lease?.voters.length, names.length);
    },
    { within: 90_000, every: 500 },
  );
  repository.publish(repository.makeRelease(after, { from: first, rollout: policy }));
  await web.put(repository);
  await isOver(home, diary);
  ending.abort();
  await Promise.all(updaters);
  return diary;
}

const rolloutsIn = (home: Home) => Promise.all(names.map(async (name) => (await home.status(name)).rollout));
const patient = { within: 150_000, every: 500 };

/** One device takes it first, then the others, never two at once. */
export async function proveGoodHome(): Promise<void> {
  const { restarts, most } = await rollOut(true, async (home) => {
    await eventually(async () => {
      for (const rollout of await rolloutsIn(home)) {
        assert.deepEqual([rollout?.state, rollout?.updated, rollout?.operators], ["finished", 3, []]);
        assert.equal(rollout?.auto?.publisher, "5f");
      }
    }, patient);
  });
  assert.deepEqual(restarts.toSorted(), names);
  assert.equal(most, 1);
}

/** What fails on the first device is taken by nobody else. */
export async function proveBadHome(): Promise<void> {
  const { restarts } = await rollOut(false, async (home) => {
    await eventually(async () => {
      for (const rollout of await rolloutsIn(home)) {
        assert.deepEqual([rollout?.state, rollout?.failed, rollout?.updated], ["paused", 1, 0]);
        assert.equal(rollout?.waits?.on, "failures");
      }
    }, patient);
  });
  assert.equal(restarts.length, 1);
}
