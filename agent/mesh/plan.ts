// From what the kernel has to what it should have: the commands between, none when it is so already.
// Pure. Touches one interface, the routes to our own /48, and nothing else.

import { canonicalIpv6, isInside } from "../../system/address.ts";
import type { Argv } from "../../system/command.ts";
import { canonicalEndpoint } from "../../system/endpoint.ts";
import type { PeerState } from "./status.ts";

export type WantedPeer = {
  id: string;
  name: string;
  wireguardKey: string;
  /** The member's mesh address: the only one it may use, computed from its device key. */
  address: string;
  /** Where to send. Taken while the endpoint in use does not work; see `insist`. */
  endpoint?: string | undefined;
  /** Take `endpoint` even though the one in use works: a better path is being tried, or the old one put back. */
  insist?: boolean | undefined;
  keepaliveSeconds: number;
};
export type Route = { type: "unicast" | "unreachable"; device: string; metric: number };
/** What is there now. `routes` are those to exactly our /48. */
export type Current = {
  link?: { kind: string; mtu: number; isUp: boolean };
  publicKey?: string;
  listenPort?: number;
  addresses: string[];
  routes: Route[];
  peers: PeerState[];
};
/** `prefix` and `address` in canonical spelling. `privateKey` leaves through stdin only. */
export type Wanted = {
  interface: string;
  privateKey: string;
  publicKey: string;
  listenPort: number;
  address: string;
  prefix: string;
  mtu: number;
  peers: WantedPeer[];
};
/** A command; `input` goes to its stdin and is never printed. */
export type Step = { argv: Argv; input?: string };

// Both below 1024 would lose to a router's default of 1024 only for a shorter prefix, so any numbers do; the second must be worse.
export const meshMetric = 1024;
export const unreachableMetric = 4096;
// WireGuard refuses a session after 180 s (REJECT_AFTER_TIME): a handshake older than that carries nothing.
export const sessionMs = 180_000;
// One argument list stays far below the kernel's limit, and one command's failure touches few peers.
const peersPerCommand = 64;

export function planMesh(current: Current, wanted: Wanted, now: number): Step[] {
  return [...planUnreachable(current, wanted), ...planLink(current, wanted), ...planPeers(current, wanted, now)];
}

/** Peers that claim a key or address already held (or ours, or outside our /48) would take another's traffic: left out. */
export function acceptable({ publicKey, address, prefix, peers }: Wanted): {
  peers: WantedPeer[];
  refused: WantedPeer[];
} {
  const keys = new Set([publicKey]);
  const addresses = new Set([address]);
  const good: WantedPeer[] = [];
  const refused: WantedPeer[] = [];
  for (const peer of peers) {
    const at = canonicalIpv6(peer.address);
    const isKey = /^[A-Za-z0-9+/]{43}=$/.test(peer.wireguardKey);
    if (!at || !isKey || !isInside(at, prefix) || keys.has(peer.wireguardKey) || addresses.has(at)) {
      refused.push(peer);
      continue;
    }
    keys.add(peer.wireguardKey);
    addresses.add(at);
    good.push({ ...peer, address: at });
  }
  return { peers: good, refused };
}

// First of all and under everything: from here on nothing for our /48 leaves by another way.
function planUnreachable({ routes }: Current, { prefix }: Wanted): Step[] {
  if (routes.some((route) => route.type === "unreachable" && route.metric === unreachableMetric)) return [];
  return [step(["ip", "-6", "route", "add", "unreachable", prefix, "metric", String(unreachableMetric)])];
}

function planLink(current: Current, wanted: Wanted): Step[] {
  const { interface: link, address, prefix, mtu, listenPort } = wanted;
  const steps: Step[] = [];
  if (!current.link) steps.push(createLink(link));
  if (current.publicKey !== wanted.publicKey) {
    // `wg` opens the file it is told; Node's stdin is a socket, which cannot be opened again, so `cat` makes it a pipe.
    const argv: Argv = ["sh", "-c", 'cat | wg set "$0" private-key /dev/stdin', link];
    steps.push({ argv, input: `${wanted.privateKey}\n` });
  }
  if (current.link?.mtu !== mtu) steps.push(step(["ip", "link", "set", "dev", link, "mtu", String(mtu)]));
  for (const stale of current.addresses.filter((have) => have !== `${address}/128` && !have.startsWith("fe80:"))) {
    steps.push(step(["ip", "-6", "address", "del", stale, "dev", link]));
  }
  if (!current.addresses.includes(`${address}/128`)) {
    steps.push(step(["ip", "-6", "address", "add", `${address}/128`, "dev", link, "nodad"]));
  }
  if (!current.link?.isUp) steps.push(step(["ip", "link", "set", "dev", link, "up"]));
  // Once it is up: the socket is opened there and then, and a port that is taken is told and not only logged.
  if (current.listenPort !== listenPort) steps.push(step(["wg", "set", link, "listen-port", String(listenPort)]));
  if (
    !current.routes.some((route) => route.type === "unicast" && route.device === link && route.metric === meshMetric)
  ) {
    steps.push(step(["ip", "-6", "route", "replace", prefix, "dev", link, "metric", String(meshMetric)]));
  }
  return steps;
}

export const createLink = (link: string): Step => step(["ip", "link", "add", "dev", link, "type", "wireguard"]);

function planPeers(current: Current, wanted: Wanted, now: number): Step[] {
  const { peers } = acceptable(wanted);
  const gone = current.peers.filter((have) => !peers.some((peer) => peer.wireguardKey === have.wireguardKey));
  const set = peers.flatMap((peer) => {
    const words = changes(
      current.peers.find((have) => have.wireguardKey === peer.wireguardKey),
      peer,
      now,
    );
    return words.length > 0 ? [["peer", peer.wireguardKey, ...words]] : [];
  });
  // Leavers first: an address that changes hands must be free.
  const all = [...gone.map((peer) => ["peer", peer.wireguardKey, "remove"]), ...set];
  const steps: Step[] = [];
  for (let at = 0; at < all.length; at += peersPerCommand) {
    steps.push(step(["wg", "set", wanted.interface, ...all.slice(at, at + peersPerCommand).flat()]));
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

/** An endpoint in use with a session: WireGuard follows a roaming peer by itself, what others say is older news. */
const works = (have: PeerState | undefined, now: number): boolean =>
  have?.endpoint !== undefined && have.latestHandshakeMs !== undefined && now - have.latestHandshakeMs < sessionMs;

const step = (argv: Argv): Step => ({ argv });

/** A plan as people read it, without what goes to stdin. */
export const printPlan = (steps: Step[]): string => steps.map(({ argv }) => argv.join(" ")).join("\n");
