// Three devices update one after the other, each through its own restart, and stop at a bad release.
import { expect, test } from "vitest";
import { mostSlots } from "../../../agent/cluster/leases/terms.ts";
import { eventually } from "../../eventually.ts";
import { after, before, Home } from "./home.ts";

test("three devices update one after the other, each goes on after its restart and gives the lease back", async () => {
  await using home = new Home(3);
  home.order();
  await eventually(
    () => expect(home.devices.map(({ rollouts }) => rollouts?.status()?.state)).toEqual(Array(3).fill("finished")),
    {
      within: 20_000,
    },
  );
  expect(home.devices.map(({ release }) => release)).toEqual([after, after, after]);
  expect(home.problems).toEqual([]);
  expect(home.asked.filter((what) => what.endsWith(" restart"))).toHaveLength(3);
  for (const { id, rollouts } of home.devices) {
    const own = home.asked.filter((what) => what.startsWith(id));
    // Each has asked what it has not heard once it holds the lease, and gives the lease back after its restart.
    expect(own.indexOf(`${id} catches up`)).toBeLessThan(own.indexOf(`${id} restart`));
    expect(own.at(-1)).toBe(`${id} releases`);
    expect(rollouts?.status()).toMatchObject({ updated: 3, failed: 0, total: 3 });
  }
});

test("a release that fails stops at the canary, everybody says so, and an aborted rollout makes way", async () => {
  await using home = new Home(3, () => true);
  home.order();
  await eventually(
    () => expect(home.devices.map(({ rollouts }) => rollouts?.status()?.state)).toEqual(Array(3).fill("paused")),
    {
      within: 20_000,
    },
  );
  expect(home.devices.map(({ release }) => release)).toEqual([before, before, before]);
  const restarted = home.asked.filter((what) => what.endsWith(" restart"));
  expect(restarted).toHaveLength(1);
  const [canary = ""] = restarted[0]!.split(" ");
  // The others have not even been asked to write it.
  expect(home.asked.filter((what) => what.endsWith(" prepare"))).toEqual([`${canary} prepare`]);
  for (const { rollouts } of home.devices) {
    expect(rollouts?.status()?.waits).toMatchObject({ on: "failures", devices: [canary] });
    expect(rollouts?.status()?.members[0]).toMatchObject({ id: canary, standing: "failed", check: "trial.meshDown" });
  }
  home.order({ number: 2, state: "aborted" });
  await eventually(() =>
    expect(home.devices.map(({ rollouts }) => rollouts?.status()?.state)).toEqual(Array(3).fill("aborted")),
  );
});

test("only the rollout that is under way says how many may restart at once, and never more than there are leases", async () => {
  const aborted = { rollout: "o".repeat(22), state: "aborted", maxUnavailable: 4, startedAt: 0 } as const;
  await using one = new Home(2);
  one.order({}, [aborted]);
  await eventually(() => expect(one.allowed).toContain(1));
  expect(Math.max(...one.allowed)).toBe(1);
  await using many = new Home(2);
  many.order({ maxUnavailable: 9 });
  await eventually(() => expect(many.allowed).toContain(mostSlots));
  expect(Math.max(...many.allowed)).toBe(mostSlots);
});

test("a lease that is one too many because somebody has gone away since is given back", async () => {
  await using home = new Home(3);
  let away: string | undefined;
  home.slot = 1;
  home.meanwhile = (id) => {
    if (away !== undefined) return;
    const gone = home.devices.find((device) => device.id !== id)!;
    gone.isUp = false;
    away = gone.id;
    void gone.rollouts?.stop();
  };
  home.order({ waves: [100], maxUnavailable: 2 });
  const restarts = () => home.asked.filter((what) => what.endsWith(" restart"));
  await eventually(() => expect(home.asked.filter((what) => what.endsWith(" releases")).length).toBeGreaterThan(1));
  expect(home.allowed[0]).toBe(2);
  await eventually(() => expect(home.allowed.at(-1)).toBe(1));
  expect(restarts()).toEqual([]);
  // The first of the leases is left to others.
  home.slot = 0;
  await eventually(() => expect(restarts()).not.toEqual([]));
});

test("a device that cannot write down that it has begun gives the lease back, and restarts once it can", async () => {
  await using home = new Home(2);
  home.isFull = true;
  home.order();
  await eventually(() => expect(home.asked.filter((what) => what.endsWith(" releases")).length).toBeGreaterThan(1));
  expect(home.asked.filter((what) => what.endsWith(" restart"))).toEqual([]);
  home.isFull = false;
  await eventually(() => expect(home.asked.filter((what) => what.endsWith(" restart"))).not.toEqual([]));
});

test.each(["hears the news", "tells that it begins"])(
  "a device whose lease ends while it %s does not restart, and says that it stayed",
  async (when) => {
    await using home = new Home(2);
    const words = new Map<string, number>();
    home.meanwhile = () => {
      home.hasLeaseEnded = when === "hears the news";
    };
    home.onWord = (id) => {
      words.set(id, (words.get(id) ?? 0) + 1);
      home.hasLeaseEnded = true;
    };
    home.order();
    await eventually(() => expect(home.asked.filter((what) => what.endsWith(" releases")).length).toBeGreaterThan(1));
    expect(home.asked.filter((what) => what.endsWith(" restart"))).toEqual([]);
    // Nobody was told that it begins where that could be seen in time; else that it has not.
    if (when === "hears the news") expect([...words.keys()]).toEqual([]);
    else expect(Math.min(...words.values())).toBeGreaterThan(1);
    home.meanwhile = () => {
      home.hasLeaseEnded = false;
    };
    home.onWord = () => {};
    await eventually(() => expect(home.asked.filter((what) => what.endsWith(" restart"))).not.toEqual([]));
  },
);

test.each<[string, (home: Home, id: string) => void, string]>([
  ["is aborted", (home) => home.order({ number: 2, state: "aborted" }), "aborted"],
  ["is paused", (home) => home.order({ number: 2, state: "paused" }), "paused"],
  [
    "is held back",
    (home, device) => {
      home.holds = [{ device, untilWallMs: 10 ** 15, lastsMs: 10 ** 15, reason: "film" }];
      home.order();
    },
    "running",
  ],
])("a rollout that %s while a device tells that it begins restarts no device", async (_, stop, state) => {
  await using home = new Home(2);
  const released = () => home.asked.filter((what) => what.endsWith(" releases")).length;
  home.onWord = (id) => {
    home.onWord = () => {};
    stop(home, id);
  };
  home.order({ waves: ["canary"] });
  await eventually(() => expect(released()).toBe(1));
  await eventually(() => expect(home.devices.map(({ rollouts }) => rollouts?.status()?.state)).toContain(state));
  if (state !== "running") await home.settled();
  const [first = ""] = home.asked.find((what) => what.endsWith(" releases"))!.split(" ");
  expect(home.asked).not.toContain(`${first} restart`);
});
