import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Mesh } from "../../../agent/mesh/mesh.ts";
import { startPaths } from "../../../agent/mesh/paths.ts";
import type { WantedPeer } from "../../../agent/mesh/plan.ts";
import type { PeerStatus } from "../../../agent/mesh/status.ts";
import { silentLog } from "../../../system/log.ts";

const lan = "192.168.1.7:51820";
const hourMs = 3_600_000;
const member = { id: "cellar", name: "cellar", wireguardKey: "k", address: "fd00::7", keepaliveSeconds: 25 };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A kernel with at most one peer, whose status can be set, and a clock whose wall time can be set. */
function makeWorld() {
  const world = { monotonic: 10_000, wall: 5 * hourMs, status: undefined as Partial<PeerStatus> | undefined };
  const dropped: string[] = [];
  let wanted: WantedPeer[] = [];
  const mesh: Mesh = {
    async setPeers(peers) {
      wanted = peers;
    },
    async drop(keys) {
      dropped.push(...keys);
    },
    status: async () =>
      world.status
        ? [{ wireguardKey: "k", rxBytes: 0, txBytes: 0, endpoint: wanted[0]!.endpoint!, ...world.status }]
        : [],
    plan: async () => "",
    isUserspace: false,
    stop: async () => {},
  };
  const paths = startPaths({
    mesh,
    prefix: "fd12:3456:789a::/48",
    links: () => [{ address: "192.168.1.4", prefixLength: 24 }],
    clock: { now: () => world.wall, monotonic: () => world.monotonic },
    log: silentLog,
  });
  const pass = async (ms: number) => {
    world.monotonic += ms;
    world.wall += ms;
    await vi.advanceTimersByTimeAsync(ms);
  };
  return { world, paths, pass, dropped, wanted: () => wanted };
}

test("times are reported by the present wall clock, even after it was set right", async () => {
  const { world, paths, pass } = makeWorld();
  await paths.setMembers([{ ...member, endpoints: [lan] }]);
  await pass(250);
  world.status = { latestHandshakeMs: world.wall, rxBytes: 92 };
  await pass(250);
  world.wall = 20 * hourMs;
  await pass(1_000);
  expect(paths.explain("cellar")).toEqual({
    inUse: { endpoint: lan, since: 20 * hourMs },
    isFailing: false,
    handshakeAt: 5 * hourMs + 250,
    candidates: [
      {
        ...{ endpoint: lan, class: "sameLink", source: "record", heardAt: 20 * hourMs - 500 },
        last: { result: "works", at: 20 * hourMs, tookMs: 500 },
      },
    ],
  });
  paths.stop();
});

test("a doubt does not drop a peer that has a session", async () => {
  const { world, paths, pass, dropped, wanted } = makeWorld();
  await paths.setMembers([{ ...member, endpoints: [lan, "[2001:db8::7]:51820"] }]);
  world.status = { latestHandshakeMs: world.wall, rxBytes: 92 };
  await pass(250);
  paths.doubt("cellar");
  for (let ms = 0; ms < 60_000; ms += 250) await pass(250);
  expect(dropped).toEqual([]);
  expect(wanted()).toMatchObject([{ wireguardKey: "k", insist: true }]);
  // The session ends by itself; then there is nothing to lose.
  for (let ms = 0; ms < 200_000; ms += 250) await pass(250);
  expect(dropped).toContain("k");
  paths.stop();
});

test("with the wall clock set back by hours, attempts and dead paths still end on time", async () => {
  const { world, paths, pass } = makeWorld();
  const world6 = "[2001:db8::7]:51820";
  await paths.setMembers([{ ...member, endpoints: [lan, world6] }]);
  world.status = {};
  await pass(250);
  expect(paths.explain("cellar")?.isTrying).toBe(lan);
  world.wall = 1_000;
  for (let ms = 0; ms < 4_000; ms += 250) await pass(250);
  expect(paths.explain("cellar")?.isTrying).toBe(world6);

  world.wall = 5 * hourMs;
  world.status = { latestHandshakeMs: world.wall, rxBytes: 92 };
  await pass(250);
  expect(paths.explain("cellar")?.isFailing).toBe(false);
  world.wall = 1_000;
  for (let ms = 0; ms < 190_000; ms += 5_000) await pass(5_000);
  expect(paths.explain("cellar")?.isFailing).toBe(true);
  paths.stop();
});
