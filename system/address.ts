// IP addresses: read, written in one spelling, held against prefixes, and counted by household.
// Pure.
import { isIPv4, isIPv6 } from "node:net";

/** `value`: all bits as one number. `scope`: the link of `fe80::1%eth0`. */
export type Address = { family: 4 | 6; value: bigint; scope?: string };
/** `first` may have host bits set: `192.168.1.7/24` names a network and who asks. */
export type Prefix = { first: Address; length: number };

export const bitsOf = { 4: 32, 6: 128 } as const;

export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, value: joined(text.split(".").map(Number), 8) };
  const [bare = "", scope] = text.split(/%(.*)/s);
  if (!isIPv6(bare) || scope === "") return undefined;
  const [head = "", tail] = rfc5952(bare).split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [left, right] = [groups(head), groups(tail ?? "")];
  const zeros = Array<number>(8 - left.length - right.length).fill(0);
  return { family: 6, value: joined([...left, ...zeros, ...right], 16), ...(scope !== undefined && { scope }) };
}

/** RFC 5952, which is how `ip` and `wg` print it too. */
export function formatAddress({ family, value, scope }: Address): string {
  if (family === 4) return split(value, 4, 8).join(".");
  const groups = split(value, 8, 16).map((group) => group.toString(16));
  return `${rfc5952(groups.join(":"))}${scope === undefined ? "" : `%${scope}`}`;
}

/** The bytes of an address as they stand in packets. Throws if `text` is none. */
export function addressBytes(text: string): Buffer {
  const address = parseAddress(text);
  if (!address) throw new RangeError(`not an IP address: ${text}`);
  return Buffer.from(split(address.value, bitsOf[address.family] / 8, 8));
}

/** Of 4 or of 16 bytes. */
export const addressOf = (bytes: Uint8Array): string =>
  formatAddress({ family: bytes.length === 4 ? 4 : 6, value: joined([...bytes], 8) });

/** Undefined if it is no IPv6 address, or has a scope. */
export function canonicalIpv6(text: string): string | undefined {
  const address = parseAddress(text);
  return address?.family === 6 && address.scope === undefined ? formatAddress(address) : undefined;
}

/** An IPv4 address in the form of IPv6 (`::ffff:192.0.2.1`) as the IPv4 address that it is; any other as it is. */
export const unmapped = (address: Address): Address =>
  isWithin(address, mappedPrefix) ? { family: 4, value: address.value & 0xffff_ffffn } : address;

/** Keeps a scope, which is needed to answer. What is no address stays as it is. */
export function withoutMapping(text: string): string {
  const address = parseAddress(text);
  return address ? formatAddress(unmapped(address)) : text;
}

/** One spelling of who is at the other end of a socket: without scope, IPv4 as itself. What is no address stays as it is. */
export function plainAddress(text: string): string {
  const address = parseAddress(text);
  return address ? formatAddress(unmapped({ family: address.family, value: address.value })) : text;
}

/** As a URL or a port needs it: `[fd00::1]`, `192.168.1.7`, `attic.local`. */
export const bracketed = (host: string): string => (parseAddress(host)?.family === 6 ? `[${host}]` : host);

/** `192.168.1.7/24`, `fd12:3456:789a::/48`; undefined if it is none, or has a scope. */
export function parsePrefix(text: string): Prefix | undefined {
  const [, address = "", length = ""] = /^([^/%]*)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const first = parseAddress(address);
  return first && Number(length) <= bitsOf[first.family] ? { first, length: Number(length) } : undefined;
}

/** The prefix in one spelling; undefined if it is no prefix of IPv6. */
export function canonicalPrefix(text: string): string | undefined {
  const prefix = parsePrefix(text);
  return prefix?.first.family === 6 ? `${formatAddress(prefix.first)}/${prefix.length}` : undefined;
}

/** Whether the address, whatever its scope, lies in the prefix. */
export function isWithin({ family, value }: Address, { first, length }: Prefix): boolean {
  const hostBits = BigInt(bitsOf[family] - length);
  return family === first.family && value >> hostBits === first.value >> hostBits;
}

/** `isInside("10.77.0.7", "10.77.0.0/24")`; false for what is no address or no prefix. */
export function isInside(text: string, prefixText: string): boolean {
  const [address, prefix] = [parseAddress(text), parsePrefix(prefixText)];
  return address !== undefined && prefix !== undefined && isWithin(address, prefix);
}

/** For a prefix that the code itself names. */
export function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (!prefix) throw new RangeError(`not a prefix: ${text}`);
  return prefix;
}

const mappedPrefix = prefixOf("::ffff:0:0/96");
const linkLocal = prefixOf("fe80::/10");
const uniqueLocal = prefixOf("fc00::/7");

/** IPv6 only: IPv4's 169.254.0.0/16 needs no scope. */
export function isLinkLocal(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && isWithin(address, linkLocal);
}

/** Where addresses cost different things: IPv4 is scarce, a /64 is assigned, and a host makes up as many link-local and ULA ones as it likes. */
export type Network = "ipv4" | "ipv6" | "local";
export type Source = { key: string; network: Network };

/**
 * Who counts as one: an IPv4 address or an IPv6 /64, which is one household. All of a link share fe80::/64 and all of a mesh
 * one /64 of fd00::/8: there the whole address counts.
 */
export function sourceOf(text: string): Source {
  const parsed = parseAddress(text);
  if (!parsed) return { key: text, network: "ipv6" };
  const address = unmapped(parsed);
  if (address.family === 4) return { key: formatAddress(address), network: "ipv4" };
  if (isWithin(address, linkLocal) || isWithin(address, uniqueLocal)) return { key: text, network: "local" };
  return { key: `${(address.value >> 64n).toString(16)}::/64`, network: "ipv6" };
}

// Functions, not constants: the prefixes above are read while this file loads.

/** URL's serializer follows RFC 5952. */
function rfc5952(ipv6: string): string {
  return new URL(`http://[${ipv6}]`).hostname.slice(1, -1);
}

function joined(parts: number[], width: number): bigint {
  return parts.reduce((sum, part) => (sum << BigInt(width)) | BigInt(part), 0n);
}

function split(value: bigint, count: number, width: number): number[] {
  const place = (index: number) => BigInt(width * (count - 1 - index));
  return Array.from({ length: count }, (_, index) => Number(BigInt.asUintN(width, value >> place(index))));
}
