// Whose an address is: who counts as one source, and which sources one host may make up together. Pure.
import { isIPv4 } from "node:net";

/** Where addresses cost different things: IPv4 is scarce, a /64 is assigned, and of link-local and ULA ones a host has as many as it likes. */
export type Network = "ipv4" | "ipv6" | "local";
export type Source = { key: string; network: Network };

export const isLinkLocal = (address: string): boolean => /^fe[89ab][0-9a-f]:/i.test(address);
const isUniqueLocal = (address: string) => /^f[cd][0-9a-f]{2}:/i.test(address);
export const withoutMapping = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");

/** One household, one key: an IPv4 address or an IPv6 /64. On the link all share fe80::/64, in the mesh one /64 of fd00::/8: there the whole address counts. */
export function sourceOf(address: string): Source {
  const bare = withoutMapping(address);
  if (isIPv4(bare)) return { key: bare, network: "ipv4" };
  if (isLinkLocal(bare) || isUniqueLocal(bare)) return { key: bare, network: "local" };
  const [head = "", tail] = bare.split("%")[0]!.split("::");
  const left = head.split(":").filter(Boolean);
  const gap = tail === undefined ? 0 : 8 - left.length - tail.split(":").filter(Boolean).length;
  const groups = [...left, ...Array(Math.max(0, gap)).fill("0"), ...(tail ?? "").split(":").filter(Boolean)];
  const prefix = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return { key: prefix.join(":"), network: "ipv6" };
}
