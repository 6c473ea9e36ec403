// The shell over real sockets: three members on loopback addresses.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Cluster, type ClusterOptions, startCluster } from "../../../agent/cluster/cluster.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually as waitFor } from "../../eventually.ts";
import { fakeStore, type Person, person, rollOf } from "./members.ts";

const port = 17_946;
const running = new Set<Cluster>();
afterEach(async () => {
  await Promise.all([...running].map((cluster) => cluster.stop()));
  running.clear();
});

async function start(self: Person, people: () => Person[], more: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const documents = fakeStore().kinds;
  const fixed = { self, address: self.address, port, documents, clock: systemClock, log: silentLog, onChange() {} };
  const cluster = await startCluster({ ...fixed, members: () => rollOf(people()), ...more });
  running.add(cluster);
  return cluster;
}

const states = (cluster: Cluster) => [...cluster.liveness().values()].map(({ state }) => state);
/** Sooner than the full sync that comes every 30 s and would bring it anyway. */
const soon = { within: 8_000, every: 20 };
const eventually = (check: () => unknown) => waitFor(check, soon);

test("three members see each other alive, and soon know a round-trip time", async () => {
  const people = [person(1), person(2), person(3)];
  const clusters = await Promise.all(people.map((one) => start(one, () => people)));
  await eventually(() => {
    for (const cluster of clusters) expect(states(cluster)).toEqual(["alive", "alive", "alive"]);
  });
  await eventually(() => expect(clusters[0]?.liveness().get(people[1]?.id ?? "")?.rttMs).toBeGreaterThan(0));
});

test("a member that appears later is greeted when the others learn of it, and says goodbye when it leaves", async () => {
  const [attic, cellar] = [person(4), person(5)];
  const known = [attic];
  const first = await start(attic, () => known);
  const second = await start(cellar, () => [attic, cellar]);
  known.push(cellar);
  first.membersChanged();
  await eventually(() => expect(first.liveness().get(cellar.id)?.state).toBe("alive"));
  await second.leave();
  await eventually(() => expect(first.liveness().get(cellar.id)?.state).toBe("left"));
});

test("who is no member any more is told as forgotten: a warning about the dead ends with that", async () => {
  const [attic, cellar] = [person(20), person(21)];
  const known = [attic, cellar];
  const told: string[][] = [];
  const first = await start(attic, () => known, { onChange: (liveness) => told.push([...liveness.keys()]) });
  const second = await start(cellar, () => [attic, cellar]);
  await eventually(() => expect(first.liveness().get(cellar.id)?.state).toBe("alive"));
  await second.leave();
  await eventually(() => expect(first.liveness().get(cellar.id)?.state).toBe("left"));
  known.pop();
  first.membersChanged();
  expect(told.at(-1)).toEqual([attic.id]);
});

test("a member that catches up gets at once what was never told", async () => {
  const people = [person(16), person(17)];
  const stores = people.map(() => fakeStore());
  const clusters = await Promise.all(
    people.map((one, at) => start(one, () => people, { documents: stores[at]!.kinds })),
  );
  await eventually(() => expect(states(clusters[0]!)).toEqual(["alive", "alive"]));
  stores[1]!.put("rollout", "spring", 3, "spring rollout 3");
  await clusters[0]!.catchUp(5_000);
  await eventually(() => expect(stores[0]!.get("rollout", "spring")).toBe("spring rollout 3"));
});

test("a member fetches a document that a summary names, keeps it and tells the others", async () => {
  const people = [person(6), person(7), person(8)];
  const stores = people.map(() => fakeStore());
  const clusters = await Promise.all(
    people.map((one, at) => start(one, () => people, { documents: stores[at]!.kinds })),
  );
  await eventually(() => expect(states(clusters[0]!)).toEqual(["alive", "alive", "alive"]));
  stores[0]!.put("rollout", "spring", 3, "spring rollout 3");
  clusters[0]?.publish("rollout", "spring");
  await eventually(() => {
    for (const store of stores) expect(store.get("rollout", "spring")).toBe("spring rollout 3");
  });
  stores[1]!.put("rollout", "evil", 1, "bad 1");
  clusters[1]?.publish("rollout", "evil");
  await eventually(() => expect(stores[1]!.get("rollout", "evil")).toBe("bad 1"));
  expect(stores[2]!.get("rollout", "evil")).toBeUndefined();
});

test("the first full sync brings documents from before the two met", async () => {
  const people = [person(9), person(10)];
  const stores = people.map(() => fakeStore());
  stores[0]!.put("record", "old", 1, "old record 1");
  stores[1]!.put("record", "older", 1, "older record 1");
  await Promise.all(people.map((one, at) => start(one, () => people, { documents: stores[at]!.kinds })));
  await eventually(() => {
    expect(stores[1]!.get("record", "old")).toBe("old record 1");
    expect(stores[0]!.get("record", "older")).toBe("older record 1");
  });
});

test("garbage, and messages from an address that is no member's, change nothing", async () => {
  const people = [person(11), person(12)];
  const clusters = await Promise.all(people.map((one) => start(one, () => people)));
  await eventually(() => expect(states(clusters[0]!)).toEqual(["alive", "alive"]));
  const stranger = createSocket("udp4").bind(0, "127.0.7.99");
  for (const text of [
    "",
    "{",
    "null",
    "[[[[",
    '{"t":"ping"}',
    '{"t":"gossip","g":[1,"x",[null]]}',
    "\0".repeat(9_000),
  ]) {
    stranger.send(text, port, people[0]!.address);
  }
  const answer = await fetch(`http://${people[0]!.address}:${port}/v1/sync`, { method: "POST", body: "{}" }).catch(
    () => "hung up",
  );
  expect(answer).toBe("hung up");
  stranger.close();
  expect(states(clusters[0]!)).toEqual(["alive", "alive"]);
});

test("fails with cluster.failed if the address does not appear in time, with port.taken if another program holds it", async () => {
  const lost = { ...person(13), address: "192.0.2.1" };
  await expect(start(lost, () => [lost], { deadlineMs: 50 })).rejects.toMatchObject({ code: "cluster.failed" });
  const held = person(14);
  const holder = createServer().listen(port, held.address);
  await new Promise((resolve) => holder.once("listening", resolve));
  await expect(start(held, () => [held])).rejects.toMatchObject({ code: "port.taken" });
  holder.close();
});
