// The commands that turn what the kernel has into what it should have; none when it is so already.
// Pure. Touches the wanted interfaces, the routes to the wanted prefixes, and nothing else.
import { canonicalIpv6, isInside } from "../../system/address.ts";
import type { Argv } from "../../system/command.ts";
import { canonicalEndpoint } from "../../system/endpoint.ts";
import type { Made } from "../kernel/changes.ts";
import type { PeerState } from "./status.ts";

export type WantedPeer = {
  id: string;
  name: string;
  wireguardKey: string;
  /** The member's mesh address, computed from its device key: the only one that it may use. */
  address: string;
  /** Where to send while the endpoint in use does not work; see `insist`. */
  endpoint?: string | undefined;
  /** Use `endpoint` even though the one in use works: a better one is being tried, or the old one put back. */
  insist?: boolean | undefined;
  keepaliveSeconds: number;
};
export type Route = { type: "unicast" | "unreachable"; prefix: string; device: string; metric: number };
export type CurrentInterface = {
  kind: string;
  mtu: number;
  isUp: boolean;
  publicKey?: string;
  listenPort: number;
  addresses: string[];
  peers: PeerState[];
};
/** What is there now: interfaces by name, and the routes to exactly the wanted prefixes. */
export type Current = { interfaces: ReadonlyMap<string, CurrentInterface>; routes: Route[] };
/** Addresses and prefixes in canonical spelling. `privateKey` leaves through stdin only. */
export type WantedInterface = {
  name: string;
  privateKey: string;
  publicKey: string;
  listenPort: number;
  mtu: number;
  addresses: string[];
  /** Prefixes that lead to this interface. Peers must have their addresses in them. */
  routes: string[];
  peers: WantedPeer[];
};
export type Wanted = readonly WantedInterface[];
/** A command; `input` goes to its stdin and is never printed. `makes` is what may outlive the agent. */
export type Step = { argv: Argv; input?: string; makes?: Made };

// Only their order matters: the kernel takes the lower metric. A router's default route is shorter than our prefixes and never wins.
export const meshMetric = 1024;
export const unreachableMetric = 4096;
// WireGuard refuses a session after 180 s (REJECT_AFTER_TIME): a handshake older than that carries nothing.
export const sessionMs = 180_000;
// Keeps an argument list far below the kernel's limit, and limits the failure of one command to few peers.
const peersPerCommand = 64;

export function planMesh({ interfaces, routes }: Current, wanted: Wanted, now: number): Step[] {
  const steps = wanted.flatMap((link) => {
    const current = interfaces.get(link.name);
    return [...planLink(current, routes, link), ...planPeers(current?.peers ?? [], link, now)];
  });
  return [...planUnreachable(routes, wanted), ...steps];
}

/** Leaves out peers whose key or address is held already, is ours, or lies outside our prefixes: they would take others' traffic. */
export function acceptable({ publicKey, addresses: own, routes, peers }: WantedInterface): {
  peers: WantedPeer[];
  refused: WantedPeer[];
} {
  const keys = new Set([publicKey]);
  const addresses = new Set(own);
  const isRouted = (address: string) => routes.some((prefix) => isInside(address, prefix));
  const good: WantedPeer[] = [];
  const refused: WantedPeer[] = [];
  for (const peer of peers) {
    const at = canonicalIpv6(peer.address);
    const isKey = /^[A-Za-z0-9+/]{43}=$/.test(peer.wireguardKey);
    if (!at || !isKey || !isRouted(at) || keys.has(peer.wireguardKey) || addresses.has(at)) {
      refused.push(peer);
      continue;
    }
    keys.add(peer.wireguardKey);
    addresses.add(at);
    good.push({ ...peer, address: at });
  }
  return { peers: good, refused };
}

// First of all: from here on nothing for these prefixes leaves by another way.
function planUnreachable(routes: Route[], wanted: Wanted): Step[] {
  const isThere = (prefix: string) =>
    routes.some(
      (route) => route.prefix === prefix && route.type === "unreachable" && route.metric === unreachableMetric,
    );
  const missing = wanted.flatMap((link) => link.routes).filter((prefix) => !isThere(prefix));
  return [...new Set(missing)].map((prefix) => {
    const words = ["unreachable", prefix, "metric", String(unreachableMetric)];
    return { argv: ["ip", "-6", "route", "add", ...words], makes: { kind: "route", key: words.join(" ") } };
  });
}

function planLink(current: CurrentInterface | undefined, routes: Route[], wanted: WantedInterface): Step[] {
  const { name: link, mtu, listenPort } = wanted;
  const steps: Step[] = [];
  if (!current) steps.push(createLink(link));
  if (current?.publicKey !== wanted.publicKey) {
    // `wg` opens the file that it is given; Node's stdin is a socket, which cannot be opened again, so `cat` makes it a pipe.
    const argv: Argv = ["sh", "-c", 'cat | wg set "$0" private-key /dev/stdin', link];
    steps.push({ argv, input: `${wanted.privateKey}\n` });
  }
  if (current?.mtu !== mtu) steps.push(step(["ip", "link", "set", "dev", link, "mtu", String(mtu)]));
  const addresses = wanted.addresses.map((address) => `${address}/128`);
  const have = current?.addresses ?? [];
  for (const stale of have.filter((address) => !addresses.includes(address) && !address.startsWith("fe80:"))) {
    steps.push(step(["ip", "-6", "address", "del", stale, "dev", link]));
  }
  for (const missing of addresses.filter((address) => !have.includes(address))) {
    steps.push(step(["ip", "-6", "address", "add", missing, "dev", link, "nodad"]));
  }
  if (!current?.isUp) steps.push(step(["ip", "link", "set", "dev", link, "up"]));
  // Once it is up, because the kernel then opens the socket at once and reports a taken port to `wg` instead of only logging it.
  if (current?.listenPort !== listenPort) steps.push(step(["wg", "set", link, "listen-port", String(listenPort)]));
  for (const prefix of wanted.routes) {
    const isThere = routes.some(
      (route) =>
        route.prefix === prefix && route.type === "unicast" && route.device === link && route.metric === meshMetric,
    );
    if (!isThere) steps.push(step(["ip", "-6", "route", "replace", prefix, "dev", link, "metric", String(meshMetric)]));
  }
  return steps;
}

const createLink = (link: string): Step => ({
  argv: ["ip", "link", "add", "dev", link, "type", "wireguard"],
  makes: { kind: "interface", key: link },
});
/** What the mesh makes that may outlive the agent. */
export const madeFor = (wanted: Wanted): Made[] =>
  planMesh({ interfaces: new Map(), routes: [] }, wanted, 0).flatMap(({ makes }) => makes ?? []);

function planPeers(current: PeerState[], wanted: WantedInterface, now: number): Step[] {
  const { peers } = acceptable(wanted);
  const gone = current.filter((have) => !peers.some((peer) => peer.wireguardKey === have.wireguardKey));
  const set = peers.flatMap((peer) => {
    const words = changes(
      current.find((have) => have.wireguardKey === peer.wireguardKey),
      peer,
      now,
    );
    return words.length > 0 ? [["peer", peer.wireguardKey, ...words]] : [];
  });
  // Remove first: an address that moves to another peer must be free.
  const all = [...gone.map((peer) => ["peer", peer.wireguardKey, "remove"]), ...set];
  const steps: Step[] = [];
  for (let at = 0; at < all.length; at += peersPerCommand) {
    steps.push(step(["wg", "set", wanted.name, ...all.slice(at, at + peersPerCommand).flat()]));
  }
  return steps;
}

function changes(have: PeerState | undefined, peer: WantedPeer, now: number): string[] {
  const words: string[] = [];
  const range = `${peer.address}/128`;
  const endpoint = peer.endpoint === undefined ? undefined : canonicalEndpoint(peer.endpoint);
  if (endpoint !== undefined && endpoint !== have?.endpoint && (peer.insist || !works(have, now))) {
    words.push("endpoint", endpoint);
  }
  if ((have?.keepaliveSeconds ?? 0) !== peer.keepaliveSeconds) {
    words.push("persistent-keepalive", String(peer.keepaliveSeconds));
  }
  if (have?.allowedIps.length !== 1 || have.allowedIps[0] !== range) words.push("allowed-ips", range);
  return words;
}

/** Has an endpoint with a session. WireGuard follows a roaming peer by itself; what others say of it is older. */
const works = (have: PeerState | undefined, now: number): boolean =>
  have?.endpoint !== undefined && have.latestHandshakeMs !== undefined && now - have.latestHandshakeMs < sessionMs;

const step = (argv: Argv): Step => ({ argv });

/** A plan for people to read, without what goes to stdin. */
export const printPlan = (steps: Step[]): string => steps.map(({ argv }) => argv.join(" ")).join("\n");
