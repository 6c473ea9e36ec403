import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Granted } from "../../../../agent/cluster/leases/leases.ts";
import { holderMs, leaseMs } from "../../../../agent/cluster/leases/terms.ts";
import { makeHome } from "./homes.ts";

const minute = 60_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

type Home = Awaited<ReturnType<typeof makeHome>>;

async function ask(home: Home, index: number, onLost = () => {}) {
  const asked = home.room(index).office.ask("restart", onLost);
  await home.run(15_000);
  return asked;
}
async function take(home: Home, index: number, onLost?: () => void): Promise<Granted> {
  const outcome = await ask(home, index, onLost);
  expect(outcome.kind).toBe("granted");
  return outcome as Granted;
}
/** Members who have made each other voters. */
async function settled(size: number): Promise<Home> {
  const home = await makeHome(size);
  await home.run(5 * minute);
  return home;
}

test("members who meet become voters one by one, and all agree on the list", async () => {
  await using home = await settled(3);
  const all = home.rooms.map(({ id }) => id).sort();
  for (const { office } of home.rooms) expect(office.voters()).toEqual(all);
});

test("one holds the lease, another is denied it with the holder's name, and gets it after the release", async () => {
  await using home = await settled(3);
  const lease = await take(home, 0);
  expect(lease.untilMonotonicMs - performance.now()).toBeGreaterThan(holderMs - minute);
  const denied = await ask(home, 1);
  expect(denied).toMatchObject({ kind: "denied", by: "held", holder: home.room(0).id });
  expect("untilMs" in denied && denied.untilMs! - Date.now()).toBeGreaterThan(leaseMs - minute);
  await home.run(minute);
  for (const { office } of home.rooms) expect(office.holder()?.device).toBe(home.room(0).id);
  await lease.release();
  await home.run(minute);
  for (const { office } of home.rooms) expect(office.holder()).toBeUndefined();
  await take(home, 1);
});

test("a lease is renewed as long as voters answer, and lost before the voters' time is up once they are gone", async () => {
  await using home = await settled(3);
  const onLost = vi.fn();
  await take(home, 0, onLost);
  await home.run(100 * minute);
  expect(onLost).not.toHaveBeenCalled();
  home.cut(1, 2);
  await home.run(holderMs);
  expect(onLost).toHaveBeenCalledOnce();
});

test("a minority gets no lease", async () => {
  await using home = await settled(3);
  home.cut(0);
  expect(await ask(home, 0)).toEqual({ kind: "denied", by: "noMajority" });
  expect(await take(home, 1)).toMatchObject({ away: [home.room(0).id] });
});

test("a member of one decides alone", async () => {
  await using home = await settled(1);
  await take(home, 0);
});

test("a holder that restarts goes on with its lease, and gives it back afterwards", async () => {
  await using home = await settled(3);
  await take(home, 0);
  await home.stop(0);
  await home.run(3 * minute);
  expect(await ask(home, 1)).toMatchObject({ kind: "denied", by: "held", holder: home.room(0).id });
  await home.restart(0);
  await home.run(5_000);
  const again = await take(home, 0);
  await again.release();
  await home.run(minute);
  await take(home, 1);
});

test("a holder that restarts and is answered by too few keeps what was granted to it, until it gives it back", async () => {
  await using home = await settled(3);
  home.cut(2);
  await take(home, 0);
  await home.stop(0);
  await home.run(minute);
  await home.restart(0);
  expect(await ask(home, 0)).toMatchObject({ kind: "denied", by: "settling" });
  home.cutNone();
  await home.run(minute);
  expect(await ask(home, 2)).toMatchObject({ kind: "denied", by: "held", holder: home.room(0).id });
  const again = await take(home, 0);
  await again.release();
  await home.run(minute);
  await take(home, 2);
});

test("a device whose lease has ended since it restarted gives back what too few grant it", async () => {
  await using home = await settled(4);
  await take(home, 0);
  await home.stop(0);
  await home.restart(0);
  await home.run(leaseMs + minute);
  home.cut(2, 3);
  expect(await ask(home, 0)).toMatchObject({ kind: "denied", by: "noMajority" });
  home.cutNone();
  home.cut(0);
  await home.run(minute);
  await take(home, 2);
});

test("a voter that can not save its word does not give it", async () => {
  await using home = await settled(3);
  for (const index of [1, 2]) home.room(index).disk.isFull = true;
  expect(await ask(home, 0)).toMatchObject({ kind: "denied", by: "noMajority" });
  for (const index of [1, 2]) home.room(index).disk.isFull = false;
  await take(home, 0);
});

test("a member that asks all the time costs a voter few writes, and what it gives back is always taken", async () => {
  await using home = await settled(3);
  const [own, ...others] = home.rooms;
  for (const { disk } of others) disk.saves = 0;
  const startedMs = performance.now();
  for (let times = 0; times < 60; times++) {
    const outcome = await ask(home, 0);
    await (outcome.kind === "granted" ? outcome.release() : own!.office.giveBack());
    await home.run(10_000);
    for (const { disk } of others) expect(disk.kept?.grants, `time ${times}`).toEqual([]);
  }
  const most = 40 + (performance.now() - startedMs) / 120_000;
  for (const { disk } of others) expect(disk.saves).toBeLessThanOrEqual(most + 1);
  await take(home, 1);
});
