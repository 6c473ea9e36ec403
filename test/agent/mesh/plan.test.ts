import fc from "fast-check";
import { expect, test } from "vitest";
import { wireguardPublicKey } from "../../../agent/mesh/key.ts";
import {
  acceptable,
  type Current,
  type CurrentInterface,
  meshMetric,
  planMesh,
  printPlan,
  unreachableMetric,
  type Wanted,
  type WantedInterface,
  type WantedPeer,
} from "../../../agent/mesh/plan.ts";
import { type PeerState, parseDump } from "../../../agent/mesh/status.ts";

const key = (n: number) => `${String(n).padStart(43, "A")}=`;
const prefix = "fd12:3456:789a::/48";
const peer = (n: number, more: Partial<WantedPeer> = {}): WantedPeer => ({
  id: `id${n}`,
  name: `device${n}`,
  wireguardKey: key(n),
  address: `fd12:3456:789a::${n}`,
  keepaliveSeconds: 25,
  ...more,
});
const mesh = (peers: WantedPeer[] = []): WantedInterface => ({
  name: "hamlet0",
  privateKey: "SECRET",
  publicKey: key(0),
  listenPort: 51820,
  addresses: ["fd12:3456:789a::ffff"],
  routes: [prefix],
  mtu: 1420,
  peers,
});
const wanted = (peers: WantedPeer[] = []): Wanted => [mesh(peers)];
const state = (n: number, more: Partial<PeerState> = {}): PeerState => ({
  wireguardKey: key(n),
  rxBytes: 0,
  txBytes: 0,
  allowedIps: [`fd12:3456:789a::${n}/128`],
  keepaliveSeconds: 25,
  ...more,
});
const complete: CurrentInterface = {
  ...{ kind: "wireguard", mtu: 1420, isUp: true, publicKey: key(0), listenPort: 51820 },
  addresses: ["fd12:3456:789a::ffff/128"],
  peers: [],
};
const having = (more: Partial<CurrentInterface> = {}): Current => ({
  interfaces: new Map([["hamlet0", { ...complete, ...more }]]),
  routes: [
    { type: "unicast", prefix, device: "hamlet0", metric: meshMetric },
    { type: "unreachable", prefix, device: "lo", metric: unreachableMetric },
  ],
});
const nothing: Current = { interfaces: new Map(), routes: [] };
const now = 1_000_000_000;
const commands = (current: Current, want: Wanted) => planMesh(current, want, now).map(({ argv }) => argv.join(" "));

test("from nothing: the unreachable route first, the private key by stdin, then the rest", () => {
  const steps = planMesh(nothing, wanted([peer(1, { endpoint: "192.168.1.7:51820" })]), now);
  expect(printPlan(steps).split("\n")).toEqual([
    "ip -6 route add unreachable fd12:3456:789a::/48 metric 4096",
    "ip link add dev hamlet0 type wireguard",
    'sh -c cat | wg set "$0" private-key /dev/stdin hamlet0',
    "ip link set dev hamlet0 mtu 1420",
    "ip -6 address add fd12:3456:789a::ffff/128 dev hamlet0 nodad",
    "ip link set dev hamlet0 up",
    "wg set hamlet0 listen-port 51820",
    "ip -6 route replace fd12:3456:789a::/48 dev hamlet0 metric 1024",
    `wg set hamlet0 peer ${key(1)} endpoint 192.168.1.7:51820 persistent-keepalive 25 allowed-ips fd12:3456:789a::1/128`,
  ]);
  expect(steps.filter(({ input }) => input?.includes("SECRET"))).toHaveLength(1);
  expect(JSON.stringify(steps.map(({ argv }) => argv))).not.toContain("SECRET");
});

test("nothing to do is an empty plan", () => {
  expect(commands(having({ peers: [state(1)] }), wanted([peer(1)]))).toEqual([]);
});

test("an endpoint in use is overwritten only if it does not work or an attempt insists", () => {
  const want = (more: Partial<WantedPeer>) => wanted([peer(1, { endpoint: "10.0.0.1:51820", ...more })]);
  const have = (latestHandshakeMs?: number): Current => {
    const more = latestHandshakeMs === undefined ? {} : { latestHandshakeMs };
    return having({ peers: [state(1, { endpoint: "192.168.1.7:51820", ...more })] });
  };
  expect(commands(have(now - 179_000), want({}))).toEqual([]);
  expect(commands(have(now - 180_000), want({}))).toEqual([`wg set hamlet0 peer ${key(1)} endpoint 10.0.0.1:51820`]);
  expect(commands(have(), want({}))).toHaveLength(1);
  expect(commands(have(now), want({ insist: true }))).toHaveLength(1);
  expect(commands(have(), want({ endpoint: "[::ffff:192.168.1.7]:51820" }))).toEqual([]);
  expect(commands(have(), want({ endpoint: "cellar.example:51820" }))).toEqual([]);
});

test("each interface gets its own addresses, routes and peers, and what is complete is left alone", () => {
  const guests: WantedInterface = {
    ...mesh([peer(2, { address: "fd12:3456:789b::2" })]),
    ...{ name: "hamlet1", listenPort: 51821, addresses: ["fd12:3456:789b::1"], routes: ["fd12:3456:789b::/48"] },
  };
  expect(commands(having(), [mesh(), guests])).toEqual([
    "ip -6 route add unreachable fd12:3456:789b::/48 metric 4096",
    "ip link add dev hamlet1 type wireguard",
    'sh -c cat | wg set "$0" private-key /dev/stdin hamlet1',
    "ip link set dev hamlet1 mtu 1420",
    "ip -6 address add fd12:3456:789b::1/128 dev hamlet1 nodad",
    "ip link set dev hamlet1 up",
    "wg set hamlet1 listen-port 51821",
    "ip -6 route replace fd12:3456:789b::/48 dev hamlet1 metric 1024",
    `wg set hamlet1 peer ${key(2)} persistent-keepalive 25 allowed-ips fd12:3456:789b::2/128`,
  ]);
  // A mesh address may not be used by a peer of the other interface.
  expect(acceptable({ ...guests, peers: [peer(1)] }).refused).toEqual([peer(1)]);
});

test("peers that are no longer wanted are removed first, whoever added them", () => {
  const current = having({ peers: [state(1), state(2)] });
  const moved = peer(3, { address: "fd12:3456:789a::2" });
  expect(commands(current, wanted([peer(1), moved]))).toEqual([
    `wg set hamlet0 peer ${key(2)} remove peer ${key(3)} persistent-keepalive 25 allowed-ips fd12:3456:789a::2/128`,
  ]);
});

test("a peer has no address but its own", () => {
  const current = having({ peers: [state(1, { allowedIps: ["fd12:3456:789a::1/128", "::/0"] })] });
  expect(commands(current, wanted([peer(1)]))).toEqual([
    `wg set hamlet0 peer ${key(1)} allowed-ips fd12:3456:789a::1/128`,
  ]);
});

test("a peer that claims a held key or address, ours, or one outside the /48 is left out", () => {
  const bad = [
    peer(2, { address: "fd12:3456:789a::1" }),
    peer(3, { wireguardKey: key(1) }),
    peer(4, { wireguardKey: key(0) }),
    peer(5, { address: "fd12:3456:789a:0::ffff" }),
    peer(6, { address: "fd12:3456:789b::6" }),
    peer(7, { address: "::/0" }),
    peer(8, { wireguardKey: "../../etc/shadow" }),
  ];
  const { peers, refused } = acceptable(mesh([peer(1), ...bad]));
  expect(peers).toEqual([peer(1)]);
  expect(refused).toEqual(bad);
});

test("addresses that are no longer wanted are removed, the link's own stays", () => {
  const addresses = ["fe80::1/64", "fd12:3456:789a::eeee/128", "10.0.0.1/24", "fd12:3456:789a::ffff/128"];
  expect(commands(having({ addresses: addresses.filter((a) => !a.startsWith("10.")) }), wanted())).toEqual([
    "ip -6 address del fd12:3456:789a::eeee/128 dev hamlet0",
  ]);
});

test("many peers are set by commands of bounded length", () => {
  const peers = Array.from({ length: 500 }, (_, n) =>
    peer(n + 1, { address: `fd12:3456:789a::${(n + 1).toString(16)}` }),
  );
  const plan = commands(having(), wanted(peers));
  expect(plan).toHaveLength(8);
  expect(Math.max(...plan.map((line) => line.length))).toBeLessThan(32_768);
});

test("applied to a model of the kernel, a plan leaves nothing to plan", () => {
  const someone = fc.record({ n: fc.integer({ min: 1, max: 6 }), keepaliveSeconds: fc.constantFrom(0, 25) });
  const have = fc.uniqueArray(fc.record({ n: fc.integer({ min: 1, max: 6 }), at: fc.integer({ min: 1, max: 6 }) }), {
    selector: ({ n }) => n,
    maxLength: 6,
  });
  fc.assert(
    fc.property(have, fc.uniqueArray(someone, { selector: ({ n }) => n }), (before, after) => {
      const peers = before.map(({ n, at }) => state(n, { allowedIps: [`fd12:3456:789a::${at}/128`] }));
      const want = wanted(after.map(({ n, keepaliveSeconds }) => peer(n, { keepaliveSeconds })));
      const next = applyPeers(peers, commands(having({ peers }), want));
      expect(commands(having({ peers: next }), want)).toEqual([]);
      expect(next.map(({ wireguardKey }) => wireguardKey).sort()).toEqual(after.map(({ n }) => key(n)).sort());
    }),
  );
});

/** The kernel as far as `wg set` goes: an address belongs to one peer, the last that claimed it. */
function applyPeers(current: PeerState[], lines: string[]): PeerState[] {
  const peers = new Map(current.map((have) => [have.wireguardKey, { ...have }]));
  for (const line of lines) {
    const [, , , ...words] = line.split(" ");
    let at: PeerState | undefined;
    for (let i = 0; i < words.length; i++) {
      const next = () => words[++i]!;
      if (words[i] === "peer") {
        const name = next();
        at = peers.get(name) ?? { wireguardKey: name, rxBytes: 0, txBytes: 0, allowedIps: [], keepaliveSeconds: 0 };
        peers.set(name, at);
      } else if (words[i] === "remove") peers.delete(at!.wireguardKey);
      else if (words[i] === "persistent-keepalive") at!.keepaliveSeconds = Number(next());
      else if (words[i] === "allowed-ips") {
        const range = next();
        for (const other of peers.values()) other.allowedIps = other.allowedIps.filter((have) => have !== range);
        at!.allowedIps = [range];
      }
    }
  }
  return [...peers.values()];
}

test("parsing the dump drops its secrets", () => {
  const dump = [
    `PRIVATE\t${key(0)}\t51820\toff`,
    `${key(1)}\t(none)\t[2001:DB8::1]:51820\tfd12:3456:789a::1/128\t1700000000\t92\t148\t25`,
    `${key(2)}\tPSK\t(none)\t(none)\t0\t0\t0\toff`,
    "",
  ].join("\n");
  const device = parseDump(dump);
  expect(JSON.stringify(device)).not.toMatch(/PRIVATE|PSK/);
  expect(device).toEqual({
    publicKey: key(0),
    listenPort: 51820,
    peers: [
      {
        ...{ wireguardKey: key(1), endpoint: "[2001:db8::1]:51820", latestHandshakeMs: 1_700_000_000_000 },
        ...{ rxBytes: 92, txBytes: 148, allowedIps: ["fd12:3456:789a::1/128"], keepaliveSeconds: 25 },
      },
      { wireguardKey: key(2), rxBytes: 0, txBytes: 0, allowedIps: [], keepaliveSeconds: 0 },
    ],
  });
  expect(parseDump("")).toEqual({ listenPort: 0, peers: [] });
});

test("public keys are as `wg pubkey` computes them", () => {
  // A pair by `wg genkey | wg pubkey`.
  const publicKey = "R5HFKpLgoNDXmPn9sRw+qubhN48TIAX4xmbiC3uBUBk=";
  expect(wireguardPublicKey("AAheeQF+hwJC676oiUJAGc/EmjL+f5idWsmgbj95MEk=")).toBe(publicKey);
  expect(() => wireguardPublicKey("short")).toThrow("not 32 bytes");
});
