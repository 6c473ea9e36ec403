// Finds neighbors on the link: hints where a device may be, never whether it is alive.
// Runs one mDNS instance per link and address family, rebuilt when the link changes, and asks seeds where multicast does not reach.
import { randomBytes } from "node:crypto";
import { plainAddress } from "../../system/address.ts";
import { type Clock, every, systemClock } from "../../system/clock.ts";
import { limitLog } from "../../system/limited-log.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { Acquaintances } from "./acquaintances.ts";
import { readSightings } from "./announcement.ts";
import { ipv4Of, isOnLink, type LinkInterface, linkLocalOf, readLinks } from "./links.ts";
import { type Multicast, type Self, startMulticast } from "./multicast.ts";
import { type Neighbor, Neighbors } from "./neighbors.ts";
import { parseSeed, resolveSeed } from "./seeds.ts";

export type Discovery = {
  neighbors(): Neighbor[];
  interfaces(): LinkInterface[];
  /** Asks again now, after a change that may bring neighbors. */
  refresh(): void;
  /** A device at `address` answered by unicast. If no multicast was ever heard on its link, a warning says so. */
  answered(address: string): void;
  /** Announces this device under another name. */
  rename(name: string): Promise<void>;
  /** Says goodbye and ends. */
  stop(): Promise<void>;
};
export type DiscoveryOptions = {
  self: Self;
  seeds: readonly string[];
  /** Names of the links to use; by default every interface that looks like one. */
  interfaces?: readonly string[] | undefined;
  /** Whether this device answers for `hamlet.local` now; by default it does not. */
  answersForAll?(): boolean;
  /** Addresses whose packets have room of their own. */
  acquaintances?: Acquaintances;
  log: Log;
  warnings: Pick<Warnings, "raise" | "clear">;
  /** A member of this neighborhood may be there. Called each time that it is heard. */
  onNeighbor(neighbor: Neighbor): void;
  clock?: Clock;
  links?: (only?: readonly string[]) => LinkInterface[];
};
type Station = { link: LinkInterface; key: string; sockets: Multicast[]; sinceMs: number; hasFailed: boolean };

const watchMs = 2_000; // how soon it notices a cable that is plugged in
const askMs = 60_000; // plus or minus half
const askAgainMs = 1_000; // a switch may not be ready for the first question
const rebuildFailedMs = 30_000;
const patienceMs = 10_000; // how long multicast may stay silent while unicast answers

export async function startDiscovery(options: DiscoveryOptions): Promise<Discovery> {
  const { warnings, onNeighbor, clock = systemClock, links = readLinks } = options;
  const log = limitLog(options.log, { clock });
  const { acquaintances = new Acquaintances() } = options;
  const now = () => clock.monotonic();
  let self = options.self;
  const neighbors = new Neighbors();
  const stations = new Map<string, Station>();
  let isStopped = false;
  let ownAddresses: ReadonlySet<string> = new Set();
  /** Names of the links on which multicast was heard, and of those on which unicast was answered. */
  const heard = new Set<string>();
  const answered = new Set<string>();
  const seeds = options.seeds.flatMap((text) => {
    const seed = parseSeed(text, self.helloPort);
    if (!seed)
      warnings.raise("config.invalid", `seed "${text}" is not host:port`, "correct it in the configuration", text);
    return seed ?? [];
  });

  const start = (link: LinkInterface, key: string): Station => {
    const epoch = randomBytes(4).toString("hex");
    const station: Station = { link, key, sockets: [], sinceMs: now(), hasFailed: false };
    const open = (family: "udp4" | "udp6") =>
      startMulticast({
        answersForAll: () => options.answersForAll?.() ?? false,
        ...{ link, family, self, epoch, log, now },
        isKnown: (address) => acquaintances.knows(address),
        onHeard() {
          if (heard.has(link.name)) return;
          heard.add(link.name);
          warnings.clear("discovery.multicastBlocked", link.name);
        },
        onResponse(packet, address) {
          for (const sighting of readSightings(packet)) {
            // Devices of another neighborhood take no room.
            if (sighting.n !== self.hint) continue;
            // Our own voice. From elsewhere it is a copy of this device: a hello finds out.
            if (sighting.id === self.id && ownAddresses.has(plainAddress(address))) continue;
            const neighbor = neighbors.sight(sighting, address, now());
            if (neighbor) onNeighbor(neighbor);
          }
        },
        onFailure(error) {
          if (station.hasFailed) return;
          station.hasFailed = true;
          const hint = "if another program holds UDP port 5353 for itself, stop it; seeds work meanwhile";
          warnings.raise("discovery.failed", `no mDNS on ${link.name}: ${error.message}`, hint, link.name);
        },
      });
    if (ipv4Of(link)) station.sockets.push(open("udp4"));
    if (linkLocalOf(link)) station.sockets.push(open("udp6"));
    for (const socket of station.sockets) socket.query();
    setTimeout(() => {
      if (stations.get(link.name) === station) for (const socket of station.sockets) socket.query();
    }, askAgainMs).unref();
    log.info(`meeting neighbors on ${link.name} (${link.addresses.map(({ address }) => address).join(", ")})`);
    return station;
  };
  const end = async (station: Station) => {
    stations.delete(station.link.name);
    await Promise.all(station.sockets.map((socket) => socket.stop()));
  };
  const watch = async () => {
    const found = links(options.interfaces);
    ownAddresses = new Set(found.flatMap(({ addresses }) => addresses.map((one) => plainAddress(one.address))));
    for (const station of [...stations.values()]) {
      const same = found.some((link) => link.name === station.link.name && keyOf(link) === station.key);
      if (same && !(station.hasFailed && now() - station.sinceMs > rebuildFailedMs)) continue;
      log.info(`${station.link.name} changed or failed`);
      heard.delete(station.link.name);
      answered.delete(station.link.name);
      warnings.clear("discovery.failed", station.link.name);
      warnings.clear("discovery.multicastBlocked", station.link.name);
      await end(station);
    }
    if (isStopped) return;
    for (const link of found) if (!stations.has(link.name)) stations.set(link.name, start(link, keyOf(link)));
    for (const station of stations.values()) warnAboutSilence(station);
  };
  const warnAboutSilence = ({ link, sinceMs }: Station) => {
    if (heard.has(link.name) || !answered.has(link.name) || now() - sinceMs < patienceMs) return;
    warnings.raise(
      "discovery.multicastBlocked",
      `neighbors on ${link.name} answer by unicast, but no multicast arrives`,
      "allow multicast (224.0.0.251 and ff02::fb, UDP 5353) on the switch or access point, or list seeds on every device",
      link.name,
    );
  };
  const askSeeds = () =>
    Promise.all(
      seeds.map(async (seed) => {
        for (const address of await resolveSeed(seed)) {
          const neighbor = neighbors.addSeed(address, seed.port, now(), seed.wireguardKey);
          if (neighbor) onNeighbor(neighbor);
        }
      }),
    );
  const ask = () => {
    for (const { sockets } of stations.values()) for (const socket of sockets) socket.query();
    return askSeeds();
  };

  const complain = (error: unknown) => log.warn(`discovery: ${error}`);
  await watch();
  void askSeeds();
  const watching = every(watchMs, watch, complain);
  const asking = every(askMs, ask, complain, 0.5);
  return {
    neighbors: () => neighbors.list(now()),
    interfaces: () => [...stations.values()].map(({ link }) => link),
    refresh: () => void ask(),
    answered(address) {
      neighbors.answered(address);
      acquaintances.met(address);
      const station = [...stations.values()].find(({ link }) => isOnLink(address, link));
      if (station) answered.add(station.link.name);
    },
    async rename(name) {
      if (name === self.name || isStopped) return;
      self = { ...self, name };
      await Promise.all([...stations.values()].map(end));
      await watch();
    },
    async stop() {
      isStopped = true;
      watching.stop();
      asking.stop();
      await Promise.all([...stations.values()].map(end));
    },
  };
}

const keyOf = (link: LinkInterface) => [link.index, ...link.addresses.map(({ address }) => address)].join(" ");
