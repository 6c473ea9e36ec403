// Checks that a device can use a static address, and that gateway and name servers fit it, because on the device nobody could correct a
// mistake. The ranges are those of the IANA registries of special addresses (RFC 6890).
// Pure.
import {
  type Address,
  bitsOf,
  formatAddress,
  isWithin,
  parseAddress,
  parsePrefix,
  prefixOf,
} from "../../system/address.ts";

export type StaticAddress = { address: string; gateway?: string | undefined; dns?: string[] | undefined };
/** `message` follows the part's name in a sentence. */
export type AddressProblem = { part: "address" | "gateway" | "dns"; message: string };

type Ip = Address & { text: string };

const ranges = Object.entries({
  "0.0.0.0/8": "not an address for a device",
  "127.0.0.0/8": "a loopback address",
  "224.0.0.0/4": "a multicast address",
  "240.0.0.0/4": "a reserved address",
  "::/128": "not an address for a device",
  "::1/128": "a loopback address",
  "::ffff:0:0/96": "an IPv4 address in the form of IPv6",
  "ff00::/8": "a multicast address",
}).map(([prefix, what]) => ({ prefix: prefixOf(prefix), what }));
const linkLocal = prefixOf("fe80::/10");

/** Empty if the three fit together. The schema refuses texts that are no IP address. */
export function staticAddressProblems({ address, gateway, dns = [] }: StaticAddress): AddressProblem[] {
  const parsed = parsePrefix(address);
  if (!parsed) return [];
  const [own, prefix] = [{ ...parsed.first, text: address.split("/")[0]! }, parsed.length];
  const network = networkOf(own, prefix);
  const says = (part: AddressProblem["part"]) => (message: string | undefined) => (message ? [{ part, message }] : []);
  return [
    ...says("address")(addressProblem(own, prefix, network)),
    ...(gateway === undefined ? [] : says("gateway")(gatewayProblem(gateway, own, prefix, network))),
    ...dns.flatMap((server) => says("dns")(serverProblem(server, own, prefix))),
  ];
}

function addressProblem(own: Ip, prefix: number, network: string): string | undefined {
  const special = specialOf(own) ?? edgeOf(own, own, prefix);
  if (special) return `${own.text} is ${special}`;
  if (prefix < 8)
    return `/${prefix} covers a large part of all addresses: home networks have ${own.family === 4 ? "/24" : "/64"}`;
  if (own.family === 4 && prefix === 32) return `${network} has no room for another device: home networks have /24`;
  return undefined;
}

function gatewayProblem(text: string, own: Ip, prefix: number, network: string): string | undefined {
  const gateway = parseIp(text);
  if (!gateway) return undefined;
  if (gateway.family !== own.family) return `${text} cannot serve ${own.text}: one is IPv4, the other IPv6`;
  if (gateway.value === own.value) return `${text} is the device's own address`;
  const special = specialOf(gateway);
  if (special) return `${text} is ${special}`;
  // A router's link-local address is always reachable (RFC 4861).
  if (isWithin(gateway, linkLocal)) return undefined;
  if (networkOf(gateway, prefix) !== network) return `${text} is not in ${network}, the network of the address`;
  const edge = edgeOf(gateway, own, prefix);
  return edge && `${text} is ${edge}`;
}

function serverProblem(text: string, own: Ip, prefix: number): string | undefined {
  const server = parseIp(text);
  if (!server) return undefined;
  const special = specialOf(server) ?? edgeOf(server, own, prefix);
  if (special) return `${text} is ${special}`;
  return server.value === own.value && server.family === own.family ? `${text} is the device's own address` : undefined;
}

const specialOf = (ip: Ip): string | undefined => ranges.find(({ prefix }) => isWithin(ip, prefix))?.what;

/** The first and last address of a network belong to no device, except in a /31 or /127 (RFC 3021, RFC 6164). */
function edgeOf(ip: Ip, own: Ip, prefix: number): string | undefined {
  const host = BigInt(bitsOf[own.family] - prefix);
  if (ip.family !== own.family || host < 2n || ip.value >> host !== own.value >> host) return undefined;
  const rest = ip.value & ((1n << host) - 1n);
  if (rest === 0n) return "the address of the network itself";
  return ip.family === 4 && rest === (1n << host) - 1n ? "the broadcast address of the network" : undefined;
}

/** `192.168.1.0/24`. */
function networkOf({ family, value }: Ip, prefix: number): string {
  const host = BigInt(bitsOf[family] - prefix);
  return `${formatAddress({ family, value: (value >> host) << host })}/${prefix}`;
}

/** Undefined also for one with a scope (`fe80::1%eth0`): the link is said elsewhere. */
function parseIp(text: string): Ip | undefined {
  const address = parseAddress(text);
  return address && address.scope === undefined ? { ...address, text } : undefined;
}
