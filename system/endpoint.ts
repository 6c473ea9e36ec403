// Endpoints: an IP address and a port in one spelling, so that what the kernel prints equals what a record says.
// Pure.
import { formatAddress, parseAddress, unmapped } from "./address.ts";

export type Endpoint = { address: string; family: 4 | 6; scope?: string; port: number };

/** `192.168.1.7:51820`, `[2001:db8::1]:51820` or `[fe80::1%eth0]:51820`. Names are refused: `wg` would ask DNS and wait. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, v6, v4, digits] = /^(?:\[([\da-fA-F:.]+(?:%[\w.-]{1,15})?)\]|([\d.]+)):(\d{1,5})$/.exec(text) ?? [];
  const [parsed, port] = [parseAddress(v6 ?? v4 ?? ""), Number(digits)];
  if (!parsed || parsed.family !== (v6 === undefined ? 4 : 6) || port < 1 || port > 65_535) return undefined;
  const { family, value, scope } = unmapped(parsed);
  return { address: formatAddress({ family, value }), family, port, ...(scope !== undefined && { scope }) };
}

export const formatEndpoint = ({ address, family, scope, port }: Endpoint): string =>
  family === 4 ? `${address}:${port}` : `[${address}${scope === undefined ? "" : `%${scope}`}]:${port}`;

/** One spelling of an endpoint; undefined if it is none. */
export function canonicalEndpoint(text: string): string | undefined {
  const endpoint = parseEndpoint(text);
  return endpoint && formatEndpoint(endpoint);
}
