// Whether a request may be answered. The page has no password, so a foreign web page must not be able to read it
// through its visitor's browser: not by a name of its own that points here (Host), and not from its own origin (Origin).
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { HamletError } from "../../system/error.ts";

/**
 * What a home's router may put behind a device's name, and nobody on the internet in front of an address: RFC 6762 appendix G,
 * RFC 8375, and what common routers use, of which fritz.box belongs to the router's maker.
 */
const homeDomains = ["home.arpa", "internal", "intranet", "private", "corp", "home", "lan", "localdomain", "fritz.box"];

/** By which names of the home's network a device called `name` may be asked, beside its address. */
export const namesAtHome = (name: string): string[] => [
  ...[`${name}.local`, "hamlet.local", name, "hamlet"],
  ...homeDomains.map((domain) => `${name}.${domain}`),
];

/** Why not, or undefined. `names` are host names of this server, the one to tell first; its own addresses always count. */
export function refusal(request: IncomingMessage, names: () => string[]): HamletError | undefined {
  const { localAddress, localPort } = request.socket;
  // A unix socket: its file mode has decided already, and no browser gets there.
  if (localAddress === undefined) return undefined;
  const host = (request.headers.host ?? "").toLowerCase();
  const name = nameIn(host);
  const own = plain(localAddress);
  if (name === undefined || !isOurs(name, own, names))
    return new HamletError(
      "api.refused",
      "this device does not know itself by the name or address that you asked for",
      {
        hint: `type ${urlsOf(names()[0], own, localPort).join(" or ")}`,
      },
    );
  const { origin } = request.headers;
  const elsewhere = new HamletError("api.refused", "another site may not read this page");
  if (origin !== undefined && withoutPort80(origin.toLowerCase()) !== withoutPort80(`http://${host}`)) return elsewhere;
  // Browsers say who asks. A link on another site may lead here; a script there may not read.
  const site = request.headers["sec-fetch-site"];
  const isVisit = request.headers["sec-fetch-mode"] === "navigate";
  if ((site === "cross-site" || site === "same-site") && !isVisit) return elsewhere;
  return undefined;
}

/** What leads here for sure: nothing in it comes from the request. */
function urlsOf(name: string | undefined, own: string, port: number | undefined): string[] {
  const end = port === undefined || port === 80 ? "/" : `:${port}/`;
  const address = isIP(own) === 6 ? `[${own}]` : own;
  // A browser takes no link-local address: it would have to say on which link.
  const isTypable = !/^fe[89ab]/.test(own) || name === undefined;
  return [...(name === undefined ? [] : [`http://${name}${end}`]), ...(isTypable ? [`http://${address}${end}`] : [])];
}

/**
 * Only a name can be made to point somewhere else; an address is an origin of its own. Ours and loopback count: a forwarded
 * port (ssh -L, a virtual machine's) is asked for by a loopback address and arrives at another.
 */
function isOurs(name: string, own: string, names: () => string[]): boolean {
  const address = plain(name);
  if (isIP(address) > 0) return address === own || isLoopback(address);
  return name === "localhost" || names().includes(name);
}

/** `[fd00::1]:80` -> `fd00::1`. The port is not compared: it differs where one is forwarded. */
function nameIn(host: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+(?:%[\w.%-]+)?\]|[a-z0-9.-]+)(?::\d{1,5})?$/.exec(host);
  return match?.[1]?.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/** Browsers leave it out, other programs need not. */
const withoutPort80 = (origin: string): string => origin.replace(/:80$/, "");

/** One spelling per address: zone cut off, IPv4 as itself, IPv6 as the URL standard writes it. */
function plain(address: string): string {
  const bare = address.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(bare) === 6 ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare;
}

const isLoopback = (address: string): boolean => address.startsWith("127.") || address === "::1";
