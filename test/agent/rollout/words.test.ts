// The signed words of devices and what the core knows of them: neither is ahead of the other for long, on disk or after a restart.
import { expect, onTestFinished, test } from "vitest";
import { Results } from "../../../agent/rollout/results.ts";
import { Rollouts, type RolloutsOptions } from "../../../agent/rollout/rollouts.ts";
import type { KeptRollouts } from "../../../agent/rollout/store.ts";
import { listenMs, type Order } from "../../../ota/rollout/view.ts";
import { readUnverified } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { RolloutResult, signResult } from "../../../provisioning/trust/result.ts";
import { sleep } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";

const neighborhood = deviceIdOf(generateSigningKey().publicKey);
const rollout = "r".repeat(22);
const [before, after] = ["1.0.0", "1.1.0"];
const makeDevice = () => {
  const key = generateSigningKey();
  return { key, id: deviceIdOf(key.publicKey) };
};
type Device = ReturnType<typeof makeDevice>;
const [own, canary, third] = [makeDevice(), makeDevice(), makeDevice()];
const nothing: KeptRollouts = { view: { progress: [], results: [] }, results: [] };

const word = (device: Device, number: number, outcome: RolloutResult["outcome"], more: Partial<RolloutResult> = {}) =>
  signResult(
    {
      ...{ v: 1, neighborhood, device: device.id, number, rollout, order: 1, release: after, outcome, bootId: "b" },
      ...more,
    },
    device.key,
  );

/** One device's driver, over what is on its disk. */
async function start(kept: KeptRollouts, releases: Record<string, string>, more: Partial<RolloutsOptions> = {}) {
  const state = { asked: [] as string[], saved: [] as KeptRollouts[], passedMs: 0 };
  const clock = { now: () => 1e12 + clock.monotonic(), monotonic: () => performance.now() + state.passedMs };
  const results = new Results({
    neighborhood,
    deviceKey: (id) => [own, canary, third].find((device) => device.id === id)?.key.publicKey,
  });
  await results.load(kept.results);
  const order: Order = {
    ...{ rollout, number: 1, state: "running", promoted: 0, release: after, startedAt: 1, soakSeconds: 20 },
    ...{ waves: ["canary", 100], successPercent: 100, maxUnavailable: 1 },
  };
  const rollouts = new Rollouts({
    self: { id: own.id, neighborhood, key: own.key, bootId: "boot" },
    ...{ clock, log: silentLog, kept, results, trialSeconds: 180, hasUpdater: true, zone: undefined },
    store: {
      save: async (content) => {
        state.saved.push(JSON.parse(JSON.stringify(content)));
        await sleep(1);
      },
    },
    orders: () => ({ orders: [{ order, operators: ["owner"] }], holds: [] }),
    members: () =>
      Object.entries(releases).map(([id, release]) => ({ id, release, board: "nuc", tags: [], duties: [] })),
    leases: { ask: async () => ({ kind: "denied", by: "noMajority" }), giveBack: async () => {}, voters: () => [] },
    catchUp: async () => {},
    publish: (id) => state.asked.push(`publish ${id}`),
    updateReport: () => ({
      ...{ v: 1, running: { slot: "a", version: releases[own.id]! }, activity: { phase: "idle" } },
      ...{ failed: [], history: [] },
    }),
    askUpdater: async ({ kind }) => void state.asked.push(kind),
    rootHash: async () => "a".repeat(64),
    people: async () => undefined,
    unsyncedSince: async () => undefined,
    ...{ warn() {}, onUpdating() {}, lookMs: 2, pause: () => sleep(2), ...more },
  });
  onTestFinished(() => rollouts.stop());
  return { rollouts, results, state };
}
const outcomesIn = ({ results }: KeptRollouts) =>
  results.map((jws) => readUnverified("hamlet-result", jws, RolloutResult).outcome);
const releases = { [canary.id]: before, [own.id]: before, [third.id]: before };

test("words that are all that is left of the file count, this device's own as well", async () => {
  const failed = await word(canary, 2, "failed", { check: "trial.meshDown" });
  const results = [failed, await word(own, 5, "stayed")];
  const { rollouts, state } = await start({ ...nothing, results }, releases);
  state.passedMs += listenMs;
  await eventually(() => expect(rollouts.status()).toMatchObject({ state: "paused", failed: 1 }));
  expect(state.asked).toEqual([]);
  expect(state.saved.at(-1)?.view.results).toContainEqual(expect.objectContaining({ device: own.id, said: 5 }));
});

test("a word that was on disk before its signature was is signed and told after the restart", async () => {
  const began = await word(own, 1, "began", { trialSeconds: 180 });
  const said = { device: own.id, rollout, order: 1, release: after };
  const away = {
    step: "away",
    rollout,
    order: 1,
    release: after,
    trialSeconds: 180,
    lastEndWallMs: 0,
    agoMs: 0,
  } as const;
  const kept = {
    view: { own: away, progress: [], results: [{ ...said, said: 1, outcome: "began" as const, agoMs: 0 }] },
    results: [began],
  };
  const updated = { ...releases, [own.id]: after };
  const end = { from: before, to: after, outcome: "committed", atMs: 5 } as const;
  const updateReport = () => ({
    ...({ v: 1, running: { slot: "b", version: after }, activity: { phase: "idle" } } as const),
    ...{ failed: [], history: [end] },
  });
  // Power fails before the word is signed.
  const cut = await start(kept, updated, { updateReport, rootHash: () => new Promise(() => {}) });
  await eventually(() =>
    expect(cut.state.saved.at(-1)?.view.results[0]).toMatchObject({ outcome: "updated", said: 2 }),
  );
  const disk = cut.state.saved.at(-1)!;
  expect(outcomesIn(disk)).toEqual(["began"]);
  const again = await start(disk, updated, { updateReport });
  await eventually(() => expect(again.state.asked).toEqual([`publish ${own.id}`]));
  expect(outcomesIn(again.state.saved.at(-1)!)).toEqual(["updated"]);
  // Once is enough.
  const third = await start(again.state.saved.at(-1)!, updated, { updateReport });
  third.state.passedMs += listenMs;
  await eventually(() => expect(third.rollouts.status()).toMatchObject({ updated: 1 }));
  expect(third.state.asked).toEqual([]);
});

test("a signed success counts by the root that it names, once this device's updater has verified what it is to be", async () => {
  const updated = { ...releases, [canary.id]: after };
  const report = {
    ...({ v: 1, running: { slot: "a", version: before }, activity: { phase: "idle" } } as const),
    ...{ failed: [], history: [], verified: [{ version: after, rootHash: "a".repeat(64) }] },
  };
  const of = async (rootHash: string, verified = report.verified) => {
    const results = [await word(canary, 1, "updated", { rootHash })];
    const { rollouts, state } = await start({ ...nothing, results }, updated, {
      updateReport: () => ({ ...report, verified }),
    });
    state.passedMs += listenMs;
    await eventually(() => expect(rollouts.status()?.members).toHaveLength(3));
    return rollouts;
  };
  const other = "b".repeat(64);
  await eventually(async () => expect((await of("a".repeat(64))).status()).toMatchObject({ updated: 1, failed: 0 }));
  const found = await of(other);
  await eventually(() => expect(found.status()).toMatchObject({ state: "paused", updated: 0, failed: 1 }));
  expect((await of(other, [])).status()).toMatchObject({ updated: 1, failed: 0 });
});

test("a member that gives word after word makes this device write no more than others, and is heard all the same", async () => {
  const { rollouts, results, state } = await start(nothing, releases);
  await eventually(() => expect(rollouts.status()).toBeDefined());
  const words = await Promise.all(Array.from({ length: 200 }, (_, at) => word(canary, at + 1, "stayed")));
  const before = state.saved.length;
  for (const jws of words) {
    await results.kind.offer(jws);
    await sleep(2);
  }
  const flooded = state.saved.length - before;
  expect(flooded).toBeLessThanOrEqual(20);
  // The word of another is saved at once, and with it what waited.
  await results.kind.offer(await word(third, 1, "stayed"));
  await eventually(() => expect(state.saved.length).toBe(before + flooded + 1), { within: 5_000 });
  expect(state.saved.at(-1)?.view.results.map(({ said }) => said)).toEqual([200, 1]);
  // It is heard: a failure counts at once, and is on disk before long.
  await results.kind.offer(await word(canary, 201, "failed", { check: "trial.meshDown" }));
  state.passedMs += listenMs;
  await eventually(() => expect(rollouts.status()).toMatchObject({ state: "paused", failed: 1 }));
});

test.each([
  ["settling", { awaits: third.id }],
  ["noMajority", {}],
] as const)("a lease that is denied (%s) names the voter on whom it depends", async (by, denied) => {
  const { rollouts, state } = await start(nothing, releases, {
    leases: {
      ask: async () => ({ kind: "denied", by, ...denied }),
      giveBack: async () => {},
      voters: () => [own.id, third.id],
    },
    // The others have said goodbye, so that nobody waits for them.
    members: () =>
      [own, canary, third].map(({ id }) => ({
        ...{ id, release: before, tags: [], duties: [] },
        ...(id !== own.id && { absentSinceMs: 0, hasLeft: true }),
      })),
    updateReport: () => ({
      ...({ v: 1, running: { slot: "a", version: before }, activity: { phase: "ready", version: after } } as const),
      ...{ failed: [], history: [] },
    }),
  });
  state.passedMs += listenMs;
  const waits = () => rollouts.status()?.members.find(({ id }) => id === own.id)?.waits;
  await eventually(() => expect(waits()).toMatchObject({ on: "lease", because: by, awaits: [third.id] }));
});

test("words that come while the disk is slow are saved together", async () => {
  const { promise: isFree, resolve: free } = Promise.withResolvers<void>();
  const saved: KeptRollouts[] = [];
  const store = {
    save: async (content: KeptRollouts) => {
      saved.push(JSON.parse(JSON.stringify(content)));
      await isFree;
    },
  };
  const { results } = await start(nothing, releases, { store });
  for (let at = 1; at <= 10; at++) await results.kind.offer(await word(canary, at, "stayed"));
  free();
  await eventually(() => expect(saved.at(-1)?.view.results[0]).toMatchObject({ said: 10 }), { within: 5_000 });
  expect(saved).toHaveLength(2);
});
