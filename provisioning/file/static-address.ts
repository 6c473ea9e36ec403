// Whether a static address can be a device's, and a gateway and name servers can serve it: on the device nobody would be there to
// mend a slip. Ranges are those of the IANA registries of special addresses (RFC 6890).
// Pure.
import { isIP } from "node:net";

export type StaticAddress = { address: string; gateway?: string | undefined; dns?: string[] | undefined };
/** What is wrong with which part, in words that follow the part's name. */
export type Trouble = { part: "address" | "gateway" | "dns"; message: string };

type Ip = { text: string; family: 4 | 6; value: bigint };
type Range = [first: string, prefix: number, what: string];

const ranges: Record<4 | 6, Range[]> = {
  4: [
    ["0.0.0.0", 8, "no address of a device"],
    ["127.0.0.0", 8, "a loopback address"],
    ["224.0.0.0", 4, "a multicast address"],
    ["240.0.0.0", 4, "a reserved address"],
  ],
  6: [
    ["::", 128, "no address of a device"],
    ["::1", 128, "a loopback address"],
    ["::ffff:0:0", 96, "an IPv4 address in the form of IPv6"],
    ["ff00::", 8, "a multicast address"],
  ],
};
const bits = { 4: 32, 6: 128 } as const;

/** All that is wrong; nothing where the three go together. What is no IP address at all is for others to say. */
export function staticAddressTroubles({ address, gateway, dns = [] }: StaticAddress): Trouble[] {
  const [text = "", prefixText = ""] = address.split("/");
  const [own, prefix] = [parseIp(text), Number(prefixText)];
  if (!own || !/^[0-9]{1,3}$/.test(prefixText) || prefix > bits[own.family]) return [];
  const network = networkOf(own, prefix);
  const says = (part: Trouble["part"]) => (message: string | undefined) => (message ? [{ part, message }] : []);
  return [
    ...says("address")(addressTrouble(own, prefix, network)),
    ...(gateway === undefined ? [] : says("gateway")(gatewayTrouble(gateway, own, prefix, network))),
    ...dns.flatMap((server) => says("dns")(serverTrouble(server, own, prefix))),
  ];
}

function addressTrouble(own: Ip, prefix: number, network: string): string | undefined {
  const special = specialOf(own) ?? edgeOf(own, own, prefix);
  if (special) return `${own.text} is ${special}`;
  if (prefix < 8)
    return `/${prefix} would take in a good part of all addresses there are: home networks have ${own.family === 4 ? "/24" : "/64"}`;
  if (own.family === 4 && prefix === 32) return `${network} has no room for a neighbor: home networks have /24`;
  return undefined;
}

function gatewayTrouble(text: string, own: Ip, prefix: number, network: string): string | undefined {
  const gateway = parseIp(text);
  if (!gateway) return undefined;
  if (gateway.family !== own.family) return `${text} cannot serve ${own.text}: one is IPv4 and the other IPv6`;
  if (gateway.value === own.value) return `${text} is the device's own address`;
  const special = specialOf(gateway);
  if (special) return `${text} is ${special}`;
  // A router's address on the link itself is always within reach (RFC 4861).
  if (isInside(gateway, "fe80::", 10)) return undefined;
  if (networkOf(gateway, prefix) !== network) return `${text} is not in ${network}, the network of the address`;
  const edge = edgeOf(gateway, own, prefix);
  return edge && `${text} is ${edge}`;
}

function serverTrouble(text: string, own: Ip, prefix: number): string | undefined {
  const server = parseIp(text);
  if (!server) return undefined;
  const special = specialOf(server) ?? edgeOf(server, own, prefix);
  if (special) return `${text} is ${special}`;
  return server.value === own.value && server.family === own.family ? `${text} is the device's own address` : undefined;
}

const specialOf = (ip: Ip): string | undefined =>
  ranges[ip.family].find(([first, prefix]) => isInside(ip, first, prefix))?.[2];

/** The first and the last address of the network that `own` is in name no device; two of a /31 or /127 do (RFC 3021, RFC 6164). */
function edgeOf(ip: Ip, own: Ip, prefix: number): string | undefined {
  const host = BigInt(bits[own.family] - prefix);
  if (ip.family !== own.family || host < 2n || ip.value >> host !== own.value >> host) return undefined;
  const rest = ip.value & ((1n << host) - 1n);
  if (rest === 0n) return "the address of the network itself";
  return ip.family === 4 && rest === (1n << host) - 1n ? "the broadcast address of the network" : undefined;
}

function isInside(ip: Ip, first: string, prefix: number): boolean {
  const start = parseIp(first)!;
  const host = BigInt(bits[ip.family] - prefix);
  return start.family === ip.family && ip.value >> host === start.value >> host;
}

/** As people write it: `192.168.1.0/24`. */
function networkOf({ family, value }: Ip, prefix: number): string {
  const host = BigInt(bits[family] - prefix);
  return `${textOf(family, (value >> host) << host)}/${prefix}`;
}

/** Undefined also for one with a zone (`fe80::1%eth0`): the link is said elsewhere. */
function parseIp(text: string): Ip | undefined {
  const family = text.includes("%") ? 0 : isIP(text);
  if (family === 4) return { text, family, value: groups(text.split(".").map(Number), 8n) };
  if (family !== 6) return undefined;
  // An IPv4 address may stand for the last two groups.
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = "", tail] = plain.split("::");
  const words = (part: string) => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)));
  const [before, after] = [words(head), words(tail ?? "")];
  const zeros = Array<number>(8 - before.length - after.length).fill(0);
  return { text, family, value: groups([...before, ...zeros, ...after], 16n) };
}

const groups = (parts: number[], width: bigint): bigint =>
  parts.reduce((sum, part) => (sum << width) | BigInt(part), 0n);

function textOf(family: 4 | 6, value: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  const words = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  return new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1);
}
