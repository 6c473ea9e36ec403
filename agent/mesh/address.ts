// Addresses and endpoints as one spelling each, so that what the kernel prints compares equal to what a record says.
import { isIPv4, isIPv6 } from "node:net";

/** RFC 5952 spelling of an IPv6 address, which is also how `ip` and `wg` print it; undefined if it is none. */
export function canonicalIpv6(text: string): string | undefined {
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

/** `fd12:3456:789a::/48` in canonical spelling; undefined if it is no IPv6 prefix. */
export function canonicalPrefix(text: string): string | undefined {
  const [address = "", length = ""] = text.split("/");
  const canonical = canonicalIpv6(address);
  return canonical && /^\d{1,3}$/.test(length) && Number(length) <= 128 ? `${canonical}/${Number(length)}` : undefined;
}

export type Endpoint = { address: string; family: 4 | 6; scope?: string; port: number };

/** `192.168.1.7:51820`, `[2001:db8::1]:51820` or `[fe80::1%eth0]:51820`. Names are refused: `wg` would ask DNS and wait. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)(?:%([\w.-]{1,15}))?\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, v6, scope, v4] = match;
  const port = Number(match[4]);
  if (port < 1 || port > 65_535) return undefined;
  if (v4 !== undefined) return isIPv4(v4) ? { address: v4, family: 4, port } : undefined;
  const address = canonicalIpv6(v6 ?? "");
  if (!address) return undefined;
  // An IPv4 address in IPv6 clothes is the same place as the IPv4 address.
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(address);
  if (mapped) {
    const bits = (Number.parseInt(mapped[1]!, 16) << 16) | Number.parseInt(mapped[2]!, 16);
    return { address: [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join("."), family: 4, port };
  }
  return { address, family: 6, port, ...(scope !== undefined && { scope }) };
}

export const formatEndpoint = ({ address, family, scope, port }: Endpoint): string =>
  family === 4 ? `${address}:${port}` : `[${address}${scope === undefined ? "" : `%${scope}`}]:${port}`;

/** One spelling of an endpoint; undefined if it is none. */
export function canonicalEndpoint(text: string): string | undefined {
  const endpoint = parseEndpoint(text);
  return endpoint && formatEndpoint(endpoint);
}

/** Whether a canonical address lies in a canonical /48. */
export function isWithin48(address: string, prefix: string): boolean {
  const head = (text: string) => groups(text).slice(0, 3).join(":");
  return prefix.endsWith("/48") && head(address) === head(prefix.slice(0, -3));
}

function groups(address: string): string[] {
  const [before = "", after] = address.split("::");
  const left = before ? before.split(":") : [];
  const right = after ? after.split(":") : [];
  return after === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill("0"), ...right];
}
