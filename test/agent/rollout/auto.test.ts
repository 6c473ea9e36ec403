// Homes without an operator: three devices take a release that their updaters have verified, through their own restarts, and keep what they
// know of it.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { autoAfter } from "../../../agent/rollout/auto.ts";
import { RolloutStore } from "../../../agent/rollout/store.ts";
import { agentFilesIn } from "../../../provisioning/handover/agent-files.ts";
import type { UpdateReport } from "../../../provisioning/handover/update.ts";
import type { AutoRelease } from "../../../provisioning/trust/rollout-policy.ts";
import { keep } from "../../../system/kept.ts";
import { eventually } from "../../eventually.ts";
import { after, before, Home } from "./home.ts";

const auto: AutoRelease = {
  release: after,
  policy: { kind: "auto", waves: ["canary", 100], soakSeconds: 20, successPercent: 95, maxFailures: 1 },
  publisher: "5f".repeat(16),
};
const find = (home: Home, found: Pick<UpdateReport, "newest" | "auto"> = { newest: after, auto }) => {
  for (const device of home.devices) device.found = found;
};
const states = (home: Home) => home.devices.map(({ rollouts }) => rollouts?.status()?.state);
const all = (home: Home, state: string) =>
  eventually(() => expect(states(home)).toEqual(home.devices.map(() => state)), { within: 20_000 });
const restarts = (home: Home) => home.asked.filter((what) => what.endsWith(" restart"));

test("three devices take a release by themselves, one after the other, although no updater knows it right after a restart", async () => {
  await using home = new Home(3);
  find(home);
  await all(home, "finished");
  expect(home.devices.map(({ release }) => release)).toEqual([after, after, after]);
  expect(home.problems).toEqual([]);
  expect(restarts(home)).toHaveLength(3);
  expect(home.devices[0]!.rollouts?.status()).toMatchObject({ operators: [], auto: { publisher: auto.publisher } });
});

test("a bad release stops at the canary of a home that has nobody, until the owner aborts it", async () => {
  await using home = new Home(3, () => true);
  find(home);
  await all(home, "paused");
  expect(restarts(home)).toHaveLength(1);
  expect(home.devices.map(({ release }) => release)).toEqual([before, before, before]);
  const { rollout = "" } = home.devices[0]!.rollouts!.status()!;
  home.order({ rollout, number: 2, state: "aborted" });
  await all(home, "aborted");
  expect(home.devices[1]!.rollouts?.status()).toMatchObject({ operators: ["owner"] });
  expect(home.devices[1]!.rollouts?.status()?.auto).toBeUndefined();
});

test("a release that says nothing of it, or that nobody has verified, is taken by nobody", async () => {
  await using home = new Home(2);
  find(home, { newest: after });
  home.devices[1]!.found = {};
  await home.settled();
  expect(home.asked).toEqual([]);
  expect(states(home)).toEqual([undefined, undefined]);
});

test("a device whose owner wants none keeps its release, and the others name it and go on", async () => {
  await using home = new Home(3);
  home.devices[0]!.isRefusing = true;
  find(home);
  await all(home, "finished");
  expect(home.devices.map(({ release }) => release)).toEqual([before, after, after]);
  const own = home.devices[1]!.rollouts!.status()!.members.find(({ id }) => id === home.devices[0]!.id);
  expect(own).toMatchObject({ standing: "unfit", check: "update.autoOff" });
});

test("where an operator has ordered anything, nothing comes by itself", async () => {
  await using home = new Home(2);
  home.order({ release: before, state: "aborted" });
  find(home);
  await home.settled();
  expect(home.asked).toEqual([]);
});

test("a hold of all holds it back too", async () => {
  await using home = new Home(2);
  home.holds = [
    { device: "all", untilWallMs: Number.MAX_SAFE_INTEGER, lastsMs: Number.MAX_SAFE_INTEGER, reason: "a party" },
  ];
  find(home);
  await eventually(() => expect(home.devices[0]!.rollouts?.status()?.waits).toMatchObject({ on: "hold" }));
  await home.settled();
  expect(home.asked).toEqual([]);
});

test("what was known stays until the updater has verified the newest release again, and goes with a newer one that is silent", () => {
  const report = { v: 1, running: { slot: "a", version: before }, activity: { phase: "idle" } } as const;
  const said = { ...report, failed: [], history: [] };
  expect(autoAfter(undefined, auto)).toBe(auto);
  expect(autoAfter(said, auto)).toBe(auto);
  expect(autoAfter({ ...said, newest: after, auto: structuredClone(auto) }, auto)).toBe(auto);
  expect(autoAfter({ ...said, newest: "1.2.0" }, auto)).toBeUndefined();
});

test("it is on disk, and one that this release does not understand is none and harms nothing else", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-auto-"));
  try {
    await mkdir(join(folder), { recursive: true });
    const store = new RolloutStore(folder);
    const kept = { view: { progress: [], results: [] }, results: ["a.b.c"] };
    await store.save({ ...kept, auto });
    expect((await store.load()).auto).toEqual(auto);
    const later = { ...auto, policy: { ...auto.policy, restarts: "twice" } };
    await keep(agentFilesIn(folder).rollouts, { v: 1, ...kept, auto: later });
    expect(await store.load()).toMatchObject({ results: ["a.b.c"], auto: undefined });
  } finally {
    await rm(folder, { recursive: true });
  }
});
