// Neighbors from the configuration, where multicast does not reach: `host:port`, `[v6]:port` or a host alone. A `#key` after it is the
// seed's WireGuard key in base64url: hellos beyond the link are for it alone.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

export type Seed = { host: string; port: number; wireguardKey?: string };

/** Returns undefined if the text is no seed. */
export function parseSeed(text: string, defaultPort: number): Seed | undefined {
  const match =
    /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9][A-Za-z0-9.-]{0,252}))(?::([0-9]{1,5}))?(?:#([\w-]{43}))?$/.exec(
      text.trim(),
    );
  if (!match) return undefined;
  const [, inBrackets, plain = ""] = match;
  // What looks like an address must be one: no resolver finds 192.168.1.300, and nobody would hear of it.
  if (inBrackets !== undefined ? isIP(inBrackets.split("%")[0]!) !== 6 : /^[0-9.]+$/.test(plain) && isIP(plain) !== 4)
    return undefined;
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  return port >= 1 && port <= 65535
    ? { host: (match[1] ?? match[2])!, port, ...(match[4] && { wireguardKey: match[4] }) }
    : undefined;
}

export const isSeed = (text: string): boolean => parseSeed(text, 1) !== undefined;

/** The first few addresses of a seed; none if its name does not resolve now (it is tried again later). */
export async function resolveSeed({ host }: Pick<Seed, "host">): Promise<string[]> {
  if (isIP(host.split("%")[0]!)) return [host];
  try {
    return (await lookup(host, { all: true })).slice(0, 4).map(({ address }) => address);
  } catch {
    return [];
  }
}
