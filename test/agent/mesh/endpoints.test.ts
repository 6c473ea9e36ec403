import fc from "fast-check";
import { expect, test } from "vitest";
import { maxCandidates, maxUnsigned, type PathClass, type Source } from "../../../agent/mesh/candidates.ts";
import { classify } from "../../../agent/mesh/classify.ts";
import { type Effect, type Event, isFailing, type Paths, step } from "../../../agent/mesh/endpoints.ts";
import type { PeerStatus } from "../../../agent/mesh/status.ts";

const lan = "192.168.1.7:51820";
const world = "[2001:db8::7]:51820";
const offered = (endpoint: string, kind: PathClass = "sameLink", source: Source = "record"): Event => ({
  kind: "offered",
  id: "cellar",
  endpoint,
  class: kind,
  source,
});
const seen = (status?: Partial<PeerStatus>, wallNow = 0): Event => ({
  kind: "seen",
  id: "cellar",
  wallNow,
  status: status && { wireguardKey: "k", rxBytes: 0, txBytes: 0, ...status },
});
/** Steps through events with their times; the view at the end and the last effects. */
function play(...events: [number, Event][]): { paths: Paths; effects: Effect[]; all: string[] } {
  let paths: Paths = new Map();
  let effects: Effect[] = [];
  const all: string[] = [];
  for (const [now, event] of events) {
    [paths, effects] = step(paths, event, now);
    all.push(...effects.map(({ endpoint, how }) => `${now} ${endpoint} ${how}`));
  }
  return { paths, effects, all };
}
const up = (endpoint: string, at: number, rxBytes = 500) => seen({ endpoint, latestHandshakeMs: at, rxBytes });

test("a newcomer is tried at its best endpoint first, then at the next after 3 s without handshake", () => {
  const { all, paths } = play(
    [0, offered(world, "globalIpv6")],
    [0, offered(lan)],
    [10, seen()],
    [3_000, seen({ endpoint: lan })],
    [3_010, seen({ endpoint: lan })],
    [4_000, up(world, 4_000)],
  );
  expect(all).toEqual([`10 ${lan} afresh`, `3010 ${world} afresh`, `4000 ${world} confirm`]);
  expect(paths.get("cellar")?.candidates).toMatchObject([
    { endpoint: lan, last: { result: "noHandshake", at: 3_010 } },
    { endpoint: world, last: { result: "works", at: 4_000, tookMs: 990 } },
  ]);
});

test("a path that works is left alone when equal candidates appear", () => {
  const { all } = play(
    [0, offered(lan)],
    [0, seen()],
    [100, up(lan, 100)],
    [200, offered("192.168.1.8:51820")],
    [90_000, up(lan, 90_000)],
    [120_000, up(lan, 90_000)],
  );
  expect(all).toEqual([`0 ${lan} afresh`, `100 ${lan} confirm`]);
});

test("a better class is tried once a minute and the old endpoint is put back after 3 s", () => {
  const { all } = play(
    [0, offered(world, "globalIpv6")],
    [0, seen()],
    [100, up(world, 100)],
    [200, offered(lan)],
    [59_000, up(world, 100, 600)],
    [60_100, up(world, 100, 600)],
    [63_000, up(lan, 100, 600)],
    [63_100, up(lan, 100, 600)],
    [63_200, up(world, 100, 600)],
    [120_099, up(world, 120_000, 700)],
    [120_100, up(world, 120_000, 700)],
    [120_600, up(lan, 120_000, 800)],
    [190_000, up(lan, 189_000, 900)],
  );
  expect(all).toEqual([
    ...[`0 ${world} afresh`, `100 ${world} confirm`, `60100 ${lan} insist`, `63100 ${world} insist`],
    ...[`120100 ${lan} insist`, `120600 ${lan} confirm`],
  ]);
});

test("a peer that answers from its old endpoint during an attempt is followed there", () => {
  const { all, paths } = play(
    [0, offered(world, "globalIpv6")],
    [0, seen()],
    [100, up(world, 100)],
    [200, offered(lan)],
    [60_100, up(world, 100, 600)],
    [60_900, up(world, 100, 700)],
  );
  expect(all.at(-1)).toBe(`60900 ${world} confirm`);
  expect(paths.get("cellar")?.candidates.find(({ endpoint }) => endpoint === lan)?.last?.result).toBe("noHandshake");
});

const doubted: Event = { kind: "doubted", id: "cellar" };
/** A path over the LAN that works since 100 ms and is doubted at 20 s; there is a second endpoint. */
const doubtedPath: [number, Event][] = [
  ...([
    [0, offered(lan)],
    [0, seen()],
    [100, up(lan, 100)],
    [200, offered(world, "globalIpv6")],
  ] as [number, Event][]),
  [20_000, doubted],
];

test("a member in doubt is tried at once although its session looks young, and the session is kept", () => {
  const { all } = play(
    ...doubtedPath,
    [20_100, up(lan, 100)],
    [23_100, up(lan, 100)],
    [24_000, up(world, 100, 501)],
    [30_000, up(world, 100, 600)],
  );
  expect(all.slice(2)).toEqual([`20100 ${lan} insist`, `23100 ${world} insist`, `24000 ${world} confirm`]);
});

test("if no endpoint answers in doubt, the one that worked is put back, and traffic there ends the doubt", () => {
  const silent = [20_100, 23_100, 26_100, 27_000].map((now): [number, Event] => [
    now,
    up(now < 23_000 ? lan : world, 100),
  ]);
  const { all, paths } = play(...doubtedPath, ...silent, [28_000, up(lan, 100, 600)]);
  expect(all.slice(3)).toEqual([`23100 ${world} insist`, `26100 ${lan} insist`, `28000 ${lan} confirm`]);
  expect(isFailing(paths.get("cellar")!)).toBe(false);
});

test("traffic between the last look and the doubt does not end the doubt", () => {
  const { all } = play(...doubtedPath, [20_100, up(lan, 19_000, 900)], [20_350, up(lan, 19_000, 900)]);
  expect(all.slice(2)).toEqual([`20100 ${lan} insist`]);
});

test("a doubt that begins while a better class is being tried outlives that attempt", () => {
  const { all } = play(
    ...([
      [0, offered(world, "globalIpv6")],
      [0, seen()],
      [100, up(world, 100)],
      [200, offered(lan)],
    ] as [number, Event][]),
    [60_100, up(world, 100)],
    [61_000, doubted],
    [63_100, up(lan, 100)],
    [63_350, up(world, 100)],
  );
  expect(all.slice(2)).toEqual([`60100 ${lan} insist`, `63100 ${world} insist`, `63350 ${lan} insist`]);
});

test("only a peer without a session is recreated", () => {
  const silent: [number, Event][] = [];
  for (let now = 20_100; now < 400_000; now += 250) silent.push([now, up(lan, 100)]);
  const attempts = play(...doubtedPath, ...silent)
    .all.slice(2)
    .map((line) => line.split(" "));
  expect(attempts.filter(([at, , how]) => how === "afresh" && Number(at) < 180_100)).toEqual([]);
  expect(attempts.filter(([at, , how]) => how === "insist" && Number(at) >= 180_100)).toEqual([]);
  expect(attempts.at(-1)?.[2]).toBe("afresh");
});

const hourMs = 3_600_000;

test("a wall clock that is hours ahead and then set right keeps no dead path alive and no attempt endless", () => {
  const ahead = 5 * hourMs;
  const { all, paths } = play(
    [1_000, offered(lan)],
    [1_000, seen(undefined, ahead)],
    [1_500, seen({ endpoint: lan, rxBytes: 92, latestHandshakeMs: ahead }, ahead + 500)],
    // Set right: the handshake lies five hours in the future, and nothing comes any more.
    [180_000, seen({ endpoint: lan, rxBytes: 92, latestHandshakeMs: ahead }, 180_000)],
    [181_500, seen({ endpoint: lan, rxBytes: 92, latestHandshakeMs: ahead }, 181_500)],
    [184_500, seen({ endpoint: lan }, 184_500)],
  );
  expect(all).toEqual([`1000 ${lan} afresh`, `1500 ${lan} confirm`, `181500 ${lan} afresh`]);
  expect(paths.get("cellar")).toMatchObject({ candidates: [{ last: { result: "noHandshake", at: 184_500 } }] });
});

test("a wall clock that jumps ahead ends no session, and a handshake in its past still counts as new", () => {
  const { all } = play(
    [0, offered(lan)],
    [0, seen()],
    [500, seen({ endpoint: lan, rxBytes: 92, latestHandshakeMs: 1_000 }, 1_000)],
    [100_000, seen({ endpoint: lan, rxBytes: 92, latestHandshakeMs: 1_000 }, 30 * hourMs)],
    [170_000, seen({ endpoint: lan, rxBytes: 92, latestHandshakeMs: 900 }, 2_000)],
    [340_000, seen({ endpoint: lan, rxBytes: 92, latestHandshakeMs: 900 }, 30 * hourMs)],
  );
  expect(all).toEqual([`0 ${lan} afresh`, `500 ${lan} confirm`]);
});

test("a session found at the first look is as old as the wall clock says, and never younger than now", () => {
  const found = (latestHandshakeMs: number) =>
    play([0, offered(lan)], [500, seen({ endpoint: lan, latestHandshakeMs, rxBytes: 5 }, hourMs)]);
  expect(found(hourMs - 200_000).all).toEqual([`500 ${lan} afresh`]);
  expect(found(hourMs - 100_000).all).toEqual([`500 ${lan} confirm`]);
  expect(found(hourMs - 100_000).paths.get("cellar")?.handshake?.at).toBe(-99_500);
  expect(found(9 * hourMs).paths.get("cellar")?.handshake?.at).toBe(500);
});

test("rounds over a silent peer's endpoints wait longer and longer; a new endpoint or the peer's own traffic ends the wait", () => {
  const silent: [number, Event][] = [[0, offered(lan)]];
  for (let now = 0; now <= 300_000; now += 500) silent.push([now, seen({ endpoint: lan })]);
  const attempts = play(...silent).all.map((line) => Number(line.split(" ")[0]));
  expect(attempts).toEqual([0, 8_000, 21_000, 44_000, 87_000, 150_000, 213_000, 276_000]);

  const news: [number, Event][] = [...silent.slice(0, 20), [8_700, offered(world, "globalIpv6")], [8_800, seen()]];
  expect(play(...news, [11_100, seen()]).all.at(-1)).toBe(`11100 ${world} afresh`);
  expect(play(...silent.slice(0, 13), [6_100, up("10.0.0.9:4", 6_000)]).all.at(-1)).toBe("6100 10.0.0.9:4 confirm");
});

test("at most eight candidates are kept: the worst class is dropped first, the one in use never", () => {
  const many: [number, Event][] = Array.from({ length: 30 }, (_, n) => [n + 200, offered(`10.0.0.${n + 1}:51820`)]);
  const { paths } = play([0, offered(world, "observed")], [0, seen()], [100, up(world, 100)], ...many);
  const kept = paths.get("cellar")!.candidates.map(({ endpoint }) => endpoint);
  expect(kept).toHaveLength(maxCandidates);
  expect(kept).toContain(world);
});

/** Somebody else replays a hello from these addresses of the link. */
const replays = (from: number, to: number, since = 1_000): [number, Event][] =>
  Array.from({ length: to - from }, (_, n) => [since + n, offered(`192.168.1.${from + n}:51820`, "sameLink", "hello")]);

test("hellos replayed from many addresses displace no endpoint that the record signed", () => {
  const signed = [world, "203.0.113.9:51820", "[2001:db8::8]:51820"];
  const events = signed.map((endpoint): [number, Event] => [0, offered(endpoint, "observed")]);
  const kept = play(...events, ...replays(100, 120)).paths.get("cellar")!.candidates;
  expect(kept.map(({ endpoint }) => endpoint)).toEqual(expect.arrayContaining(signed));
  expect(kept.filter(({ source }) => source === "hello")).toHaveLength(maxUnsigned);

  const full = Array.from({ length: 8 }, (_, n): [number, Event] => [0, offered(`10.0.0.${n + 1}:51820`, "observed")]);
  expect(
    play(...full, ...replays(100, 120))
      .paths.get("cellar")!
      .candidates.map(({ source }) => source),
  ).toEqual(Array(maxCandidates).fill("record"));
});

test("a hello from an endpoint that the record names leaves the record as its source", () => {
  const { paths } = play([0, offered(lan)], [1, offered(lan, "sameLink", "hello")], ...replays(100, 120));
  expect(paths.get("cellar")!.candidates).toContainEqual(
    expect.objectContaining({ endpoint: lan, source: "record", heardAt: 1 }),
  );
  const signedLater = play([0, offered(lan, "sameLink", "hello")], [1, offered(lan)]).paths.get("cellar")!.candidates;
  expect(signedLater).toMatchObject([{ endpoint: lan, source: "record" }]);
});

test("a working path is left for a replayed hello's address at most once a minute, and never for one of equal class", () => {
  const working: [number, Event][] = [];
  for (let now = 200; now < 300_000; now += 1_000) {
    working.push(...replays(100 + (now % 97), 102 + (now % 97), now), [now, up(world, now, 500 + now)]);
  }
  const { all } = play([0, offered(world, "globalIpv6")], [0, seen()], [100, up(world, 100)], ...working);
  expect(all.filter((line) => line.endsWith("insist")).length).toBeLessThanOrEqual(5);
  const { all: equal } = play([0, offered(lan)], [0, seen()], [100, up(lan, 100)], ...replays(100, 120), [
    120_000,
    up(lan, 119_000, 900),
  ]);
  expect(equal).toEqual([`0 ${lan} afresh`, `100 ${lan} confirm`]);
});

test("a better endpoint that the record names gets its turn among replayed hellos", () => {
  const working: [number, Event][] = [];
  for (let now = 200; now < 1_000_000; now += 1_000) {
    // In between, attempts of the signed endpoint keep failing.
    working.push(...replays(100 + (now % 97), 102 + (now % 97), now), [now, up(world, now, 500)]);
  }
  const { all } = play(
    [0, offered(world, "globalIpv6")],
    [0, offered(lan)],
    [0, seen({})],
    [100, up(world, 50)],
    ...working,
  );
  const attempts = all.filter((line) => line.endsWith("insist") && !line.includes(world));
  expect(attempts.length).toBeGreaterThan(10);
  expect(attempts.filter((line) => line.includes(` ${lan} `)).length).toBeGreaterThan(attempts.length / 3);
});

test("an absent peer is tried at its signed endpoint in every round, whatever hellos are replayed", () => {
  const silent: [number, Event][] = [[0, offered(lan)]];
  for (let now = 0, n = 0; now <= 120_000; now += 500, n++) {
    silent.push([now, offered(`192.168.${n >> 7}.${100 + (n & 127)}:51820`, "sameLink", "hello")], [now, seen({})]);
  }
  const attempts = play(...silent).all;
  expect(attempts.filter((line) => line.includes(` ${lan} `)).length).toBeGreaterThanOrEqual(4);
});

test("endpoints are classified by address; those where no peer can be are refused", () => {
  const links = [
    { address: "192.168.1.4", prefixLength: 24 },
    { address: "2001:db8:1::4", prefixLength: 64 },
  ];
  const of = (text: string) => classify(text, links, "fd12:3456:789a::/48");
  expect(of("192.168.1.7:51820")?.class).toBe("sameLink");
  expect(of("[2001:DB8:1:0:0::7]:51820")).toEqual({ endpoint: "[2001:db8:1::7]:51820", class: "sameLink" });
  expect(of("[fe80::1%eth0]:51820")?.class).toBe("sameLink");
  expect(of("[2001:db8:2::7]:51820")?.class).toBe("globalIpv6");
  expect(of("[::ffff:192.168.1.7]:51820")).toEqual({ endpoint: "192.168.1.7:51820", class: "sameLink" });
  expect(of("203.0.113.9:51820")?.class).toBe("observed");
  for (const nowhere of [
    ...["[fd12:3456:789a::7]:51820", "127.0.0.1:51820", "[::1]:51820", "0.0.0.0:1", "224.0.0.251:5353", "[ff02::fb]:1"],
    ...["[fe80::1]:51820", "attic.example:51820", "192.168.1.7:0", "192.168.1.7:65536", "192.168.1.7", "", "1.2.3:4"],
    ...["[::127.0.0.1]:80", "255.255.255.255:9", "[fe80::1%eth0;reboot]:1", "[2001:db8::1]", "2001:db8::1:51820"],
  ]) {
    expect(of(nowhere), nowhere).toBeUndefined();
  }
});

test("classify never throws", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.ipV6().map((a) => `[${a}]:51820`),
        fc.ipV4().map((a) => `${a}:1`),
      ),
      (text) => {
        classify(text, [{ address: "192.168.1.4", prefixLength: 24 }], "fd12:3456:789a::/48");
      },
    ),
  );
});
