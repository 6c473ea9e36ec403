// The links on which neighbors may be: real network segments, not tunnels, container bridges or loopback.
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { isLinkLocal, isWithin, parseAddress, parsePrefix, unmapped } from "../../system/address.ts";

/** `index` changes when a network card is replugged, even if name and address stay. */
export type LinkInterface = { name: string; index: number; addresses: { address: string; bits: number }[] };
export type Facts = { index: number; type: number; flags: number };

// Their hosts are on this device: a neighbor there would be ourselves.
const containerNames = /^(docker|br-[0-9a-f]{12}$|veth|virbr|vnet|lxc|lxdbr|podman|cni|flannel|cali|kube|dummy|ifb)/;
const ethernet = 1; // linux/if_arp.h: Wi-Fi has it too; WireGuard, tun and PPP do not
const pointToPoint = 0x10; // linux/if.h
const multicast = 0x1000;

/** Pure: which of the system's interfaces are links. If `only` names them, the only other condition is that they are no tunnel. */
export function chooseLinks(
  found: NodeJS.Dict<NetworkInterfaceInfo[]>,
  facts: (name: string) => Facts | undefined,
  only?: readonly string[],
): LinkInterface[] {
  return Object.entries(found).flatMap(([name, addresses = []]) => {
    if (only ? !only.includes(name) : containerNames.test(name)) return [];
    const fact = facts(name);
    if (!isLink(fact)) return [];
    const own = addresses.filter((entry) => !entry.internal);
    if (own.length === 0) return [];
    const sorted = own.map(({ address, cidr }) => ({ address, bits: Number(cidr?.split("/")[1] ?? 128) }));
    return [{ name, index: fact.index, addresses: sorted.sort((a, b) => (a.address < b.address ? -1 : 1)) }];
  });
}

const isLink = (fact: Facts | undefined): fact is Facts =>
  fact !== undefined && fact.type === ethernet && !(fact.flags & pointToPoint) && (fact.flags & multicast) !== 0;

export const readLinks = (only?: readonly string[]): LinkInterface[] =>
  chooseLinks(networkInterfaces(), readFacts, only);

/** Which of the names are of no link: mistyped, unplugged, or of a tunnel. */
export const notLinks = (names: readonly string[], facts = readFacts): string[] =>
  names.filter((name) => !isLink(facts(name)));

function readFacts(name: string): Facts | undefined {
  try {
    const read = (file: string) => Number(readFileSync(`/sys/class/net/${name}/${file}`, "utf8"));
    return { index: read("ifindex"), type: read("type"), flags: read("flags") };
  } catch {
    return undefined; // the interface has gone meanwhile
  }
}

export const ipv4Of = (link: LinkInterface): string | undefined =>
  link.addresses.find(({ address }) => isIPv4(address))?.address;
export const linkLocalOf = (link: LinkInterface): string | undefined =>
  link.addresses.find(({ address }) => isLinkLocal(address))?.address;

/** Makes a check whether an address (perhaps with %scope) is on this link, that is, in one of its networks. */
export function makeOnLink(link: LinkInterface): (address: string) => boolean {
  const networks = link.addresses.flatMap(({ address, bits }) =>
    isLinkLocal(address) ? [] : (parsePrefix(`${address}/${bits}`) ?? []),
  );
  return (text) => {
    const address = parseAddress(text);
    if (!address) return false;
    if (isLinkLocal(text)) return address.scope === undefined || address.scope === link.name;
    return networks.some((network) => isWithin(unmapped(address), network));
  };
}

export const isOnLink = (address: string, link: LinkInterface): boolean => makeOnLink(link)(address);
